"""A person's own decision to put a finished run's model into production."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime

import localrun
from components.push_model.logic import SAVED_MODEL, Target, about, opened
from core.backends.metadata import ArtifactFacts, RunFacts, TaskFacts, open_metadata, release
from core.backends.registry import ModelVersion, open_registry
from core.decision import Decision
from core.errors import CorruptArtifact, GateClosed, MlopsError
from core.store import Store
from localrun.store.digests import Digests
from mlops.worlds.lineage import facts_of
from mlops.worlds.record import Submission

GATES = ("evaluate_model", "validate_infra")


@dataclass(frozen=True)
class Release:
    """What a push by hand did."""

    version: ModelVersion
    closed: tuple[str, ...]
    """What the gates said against it, when it was pushed all the same."""


def push_by_hand(store: Store, run_id: str, override: str = "") -> Release:
    """Publish the model of a finished run and make it the champion.

    Raises GateClosed when a gate of the run did not pass and no reason is given to override it, MlopsError when the run has no
    model or another champion is in production than the model was judged against.
    """
    submission = Submission.read(store.runs / run_id)
    run = localrun.show(store.root, run_id)
    model = _output(run, "train_model", "model")
    examples = _output(run, "ingest_examples", "examples")
    if model is None or examples is None:
        raise MlopsError(f"run {run_id} has no trained model to push; `mlops runs show {run_id}` says where it ended")
    _check(model)
    decisions, closed = _decisions(run)
    if closed and not override:
        raise GateClosed("; ".join(closed) + '; to push all the same, say why with --override "..."')
    target = Target(submission.usecase, store.registry, str(run.parameters.get("champion", "")))
    said = about(target, examples.path, decisions) | {"run": run_id, "by_hand": True}
    if override:
        said |= {"override": {"reason": override, "closed": list(closed)}}
    registry = open_registry(target.registry)
    version = registry.publish(target.name, model.path / SAVED_MODEL, said)
    registry.promote(version.name, version.version, replacing=None if override else target.champion)
    _record(store, facts_of(run, submission.code), version, model)
    return Release(version, closed)


def _decisions(run: localrun.Run) -> tuple[dict[str, Decision], tuple[str, ...]]:
    decisions, closed = {}, []
    for gate in GATES:
        artifact = _output(run, gate, "decision")
        if artifact is None:
            closed.append(f"{gate} was never asked")
            continue
        _check(artifact)
        try:
            decisions[gate] = opened(artifact.path, gate)
        except GateClosed as error:
            closed.append(str(error))
    return decisions, tuple(closed)


def _output(run: localrun.Run, function: str, name: str) -> localrun.Artifact | None:
    found = (
        task.outputs.artifacts.get(name)
        for task in run.tasks
        if task.function == function and task.state == "SUCCEEDED"
    )
    return next(found, None)


def _check(artifact: localrun.Artifact) -> None:
    if (got := Digests().of(artifact.path)) != artifact.digest:
        raise CorruptArtifact(f"{artifact.path}: wanted {artifact.digest}, got {got}; run the pipeline again")


def _record(store: Store, facts: RunFacts, version: ModelVersion, model: localrun.Artifact) -> None:
    """Add the push to the run's lineage, as if it had been one of its tasks."""
    task = TaskFacts(
        name=f"models-push-{version.version}",
        component="models_push",
        state="SUCCEEDED",
        started=datetime.now(UTC),
        inputs={"model": ArtifactFacts(model.type, model.uri, model.digest)},
        outputs={"version": release(version.name, version.version, version.digest, version.address)},
    )
    open_metadata(store.metadata).record(replace(facts, tasks=(*facts.tasks, task)))
