"""Pushes the model of a finished run by hand, with the evidence that a release requires."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from artifacts.cards import folder
from artifacts.evidence.evidence import AttachedCards, Evidence, read_decisions
from artifacts.release.promotion import GATE as RELEASE_GATE
from components.push_model.config import Config
from components.push_model.logic import (
    GATE,
    Destination,
    Release,
    about,
    champion_check,
    decide,
    publish_and_promote,
)
from core import digest
from core.backends.metadata import ArtifactFacts, RunFacts, TaskFacts, open_metadata, release
from core.backends.registry import ModelVersion, Registry, open_registry
from core.decision import Decision, Verdict
from core.errors import CorruptArtifact, GateClosed, MlopsError
from core.store import Store
from mlops.runs.history import read_run
from mlops.runs.lineage import facts_of
from mlops.runs.record import Artifact, Run, State
from mlops.worlds.localrun_record import content_digest

EVIDENCE = "evidence.json"
"""Name of the file in a run's folder with the decisions that were collected for a push by hand."""


@dataclass(frozen=True)
class ReleasedByHand:
    """The version that a push by hand published."""

    version: ModelVersion
    closed: tuple[str, ...]
    """The checks that were overridden."""


def push_by_hand(store: Store, run_id: str, override: str = "", *, promotes: bool = True) -> ReleasedByHand:
    """Publish the model of a finished run, and make it the champion, if the run's evidence is what a release requires.

    `override` is the reason to push it otherwise. Raises GateClosed when a required decision is missing or closed, or
    the champion is not the one that the model was compared with, and `override` is empty; MlopsError when the run has
    no model, or several and no single one that all required gates decided about. Without `promotes` it only publishes.
    """
    run = read_run(store, run_id)
    examples = run.artifact("ingest_examples", "examples")
    config = Config.model_validate(run.submission.release)
    evidence = evidence_of(run)
    model = model_of(run, evidence, config)
    if model is None or examples is None:
        raise MlopsError(f"run {run_id} has no trained model to push; `mlops runs show {run_id}` says where it ended")
    _check(model)
    evidence.write(run.folder / EVIDENCE)
    ours = Release(model.path, run.folder / EVIDENCE, examples.path)
    destination = Destination(run.submission.usecase, store.registry, str(run.parameters.get("champion", "")))
    registry = open_registry(store.registry)
    decision = _decide(ours, destination, registry, config)
    closed = _closed(decision)
    if closed and not override:
        raise GateClosed("\n".join((*closed, 'To push it all the same, give a reason: --override "..."')))
    origin = about(ours, destination, decision) | {"waived": dict(config.waives), "run": run_id, "by_hand": True}
    if override:
        origin |= {"override": {"reason": override, "closed": list(closed)}}
        destination = replace(destination, champion=str(registry.pointer(destination.name) or ""))
    if promotes:
        version = publish_and_promote(registry, ours.saved_model, destination, origin)
    else:
        version = registry.publish(destination.name, ours.saved_model, origin)
    _record(store, facts_of(run), version, model)
    return ReleasedByHand(version, closed)


def _decide(ours: Release, destination: Destination, registry: Registry, config: Config) -> Decision:
    """Decide as `push_model` does, except that a person may push a model that was rolled back."""
    model = digest.of_folder(ours.saved_model)
    evidence = decide(ours.evidence, config.requirements, model)
    return Decision.of(GATE, (*evidence.checks, champion_check(registry, destination, model)), subject=model)


def evidence_of(run: Run) -> Evidence:
    """Collect the run's decisions about models, named by stage, or by task where a stage decided more than once."""
    decided = [task for task in run.tasks if task.state is State.SUCCEEDED and "decision" in task.outputs]
    stages = [task.stage for task in decided]
    paths = []
    for task in decided:
        artifact = task.outputs["decision"]
        _check(artifact)
        if task.stage not in (GATE, RELEASE_GATE):
            paths.append((task.stage if stages.count(task.stage) == 1 else task.path, artifact.path))
    found = read_decisions(paths)
    entries = tuple(entry for entry in found.entries if entry.decision.subject)
    return Evidence(entries=entries, cards=_cards_of(run))


def _cards_of(run: Run) -> AttachedCards | None:
    artifact = run.artifact("write_cards", "cards")
    if artifact is None:
        return None
    _check(artifact)
    return AttachedCards.of(folder.read(artifact.path).content().decode())


def model_of(run: Run, evidence: Evidence, config: Config) -> Artifact | None:
    """Return the run's model; of several, the only one that every required gate decided about."""
    models = {artifact.digest: artifact for artifact in _outputs(run, "model")}
    if len(models) < 2:
        return next(iter(models.values()), None)
    complete = []
    for artifact in models.values():
        subject = digest.of_folder(Release(artifact.path, Path(), Path()).saved_model)
        gates = {entry.decision.gate for entry in evidence.entries if entry.decision.subject == subject}
        if gates.issuperset(config.requires):
            complete.append(artifact)
    if len(complete) != 1:
        required = ", ".join(config.requires)
        raise MlopsError(
            f"run {run.run_id} has {len(models)} models, and {required} decided about {len(complete)} of them: "
            "wanted exactly one; push from the pipeline instead"
        )
    return complete[0]


def _outputs(run: Run, name: str) -> Iterator[Artifact]:
    for task in run.tasks:
        if task.state is State.SUCCEEDED and name in task.outputs:
            yield task.outputs[name]


def _closed(decision: Decision) -> tuple[str, ...]:
    """Return a line for each check that does not hold: rule, observation and next step."""
    closed = (check for check in decision.checks if check.verdict is not Verdict.PASS)
    return tuple(f"{check.rule}: {str(check.observed).rstrip('.')}. {check.next_step}".strip() for check in closed)


def _check(artifact: Artifact) -> None:
    if (got := content_digest(artifact.path)) != artifact.digest:
        raise CorruptArtifact(f"{artifact.path}: wanted {artifact.digest}, got {got}; run the pipeline again")


def _record(store: Store, facts: RunFacts, version: ModelVersion, model: Artifact) -> None:
    """Add the push to the run's lineage as a further task."""
    task = TaskFacts(
        name=f"models-push-{version.version}",
        component="models_push",
        state="SUCCEEDED",
        started=datetime.now(UTC),
        inputs={"model": ArtifactFacts(model.type, model.uri, model.digest)},
        outputs={"version": release(version.name, version.version, version.digest, version.address)},
    )
    open_metadata(store.metadata).record(replace(facts, tasks=(*facts.tasks, task)))
