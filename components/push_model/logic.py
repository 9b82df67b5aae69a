"""Publishes a model that passed all required gates; repeating the step publishes nothing new."""

import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from artifacts.evidence.evidence import Evidence
from artifacts.evidence.requirements import Requirements
from artifacts.examples.manifest import ExamplesManifest
from artifacts.model.names import SERVING
from components.push_model.config import Config
from core import digest, durable
from core.backends import manifest
from core.backends.registry import ModelVersion, Registry, open_registry
from core.decision import Check, Decision, Verdict
from core.errors import CorruptArtifact, RegistryError

GATE = "push_model"


@dataclass(frozen=True)
class Release:
    """The folders of a model, of its evidence, and of the examples that it was made from."""

    model: Path
    evidence: Path
    examples: Path

    @classmethod
    def at(cls, *paths: str) -> "Release":
        """Take the paths in the order of the fields."""
        return cls(*map(Path, paths))

    @property
    def saved_model(self) -> Path:
        """The folder that is published."""
        return self.model / SERVING


@dataclass(frozen=True)
class Destination:
    """The model's name and registry, the champion that it was compared with, and the id of the submission."""

    name: str
    registry: str
    champion: str
    submission: str = ""


@dataclass(frozen=True)
class Outputs:
    """The paths of the description of the pushed version, and of the decision."""

    pushed: Path | str
    decision: Path | str


def push(config: Config, release: Release, destination: Destination, outputs: Outputs) -> str:
    """Decide, publish, promote and write the outputs; repeated after any interruption, it ends in the same state.

    Returns the version's reference, or "" when the gate is closed and nothing was published. Raises RegistryError
    when the model cannot be published, or the champion changes during the push.
    """
    registry = open_registry(destination.registry)
    model = digest.of_named(manifest.scan(release.saved_model))
    decision = decide(release.evidence, config.requirements, model)
    if config.promote:
        checks = (champion_check(registry, destination, model), withdrawal_check(registry, destination, model))
        decision = Decision.of(GATE, (*decision.checks, *checks), subject=model)
    decision.write(outputs.decision)
    if not decision.is_open:
        write_pushed(None, Path(outputs.pushed))
        return ""
    origin = about(release, destination, decision) | {"waived": dict(config.waives)}
    if config.promote:
        version = publish_and_promote(registry, release.saved_model, destination, origin)
    else:
        version = registry.publish(destination.name, release.saved_model, origin)
    write_pushed(version, Path(outputs.pushed), in_production=config.promote)
    return version.reference


def decide(evidence: Path, requirements: Requirements, model: str) -> Decision:
    """Compare a model's evidence with the requirements; undecided when the evidence cannot be read."""
    try:
        found = Evidence.read(evidence)
    except CorruptArtifact as error:
        unread = Check(
            rule="the evidence can be read",
            observed=str(error),
            verdict=Verdict.UNDECIDED,
            next_step="Run the pipeline again; if it fails again, find out what changes its artifacts.",
        )
        return Decision.of(GATE, (unread,), subject=model)
    return Decision.of(GATE, requirements.checks(found, model), subject=model)


def champion_check(registry: Registry, destination: Destination, model: str) -> Check:
    """Check that the champion is still the one that the model, given by its digest, was compared with."""
    current = registry.pointer(destination.name)
    if current is not None and current.digest == model:
        return Check(rule="this model is in production already", observed=str(current), verdict=Verdict.PASS)
    return _check(
        "the champion is the one that the model was compared with",
        str(current or "") == destination.champion,
        str(current or "no version"),
        "Run the pipeline again, to compare the model with the current champion.",
        threshold=destination.champion or "no version",
    )


def withdrawal_check(registry: Registry, destination: Destination, model: str) -> Check:
    """Check that this model was not rolled back."""
    is_withdrawn = registry.withdrawn(destination.name, model)
    return _check(
        "this model was not rolled back",
        not is_withdrawn,
        "rolled back" if is_withdrawn else "not rolled back",
        "Put it back into production with `mlops models push`; a pipeline does not.",
    )


def _check(rule: str, passed: bool, observed: str, next_step: str, threshold: str | None = None) -> Check:
    verdict = Verdict.PASS if passed else Verdict.FAIL
    return Check(
        rule=rule, threshold=threshold, observed=observed, verdict=verdict, next_step="" if passed else next_step
    )


def publish_and_promote(
    registry: Registry, saved_model: Path, destination: Destination, origin: dict[str, Any]
) -> ModelVersion:
    """Publish a model and promote it; when the promotion fails, the new version is removed again."""
    before = registry.numbers(destination.name)
    version = registry.publish(destination.name, saved_model, origin)
    try:
        registry.promote(destination.name, version.version, replacing=destination.champion)
    except RegistryError:
        if version.version not in before:
            with suppress(RegistryError):  # the promotion's error is the one to raise
                registry.discard(destination.name, version.version)
        raise
    return version


def about(release: Release, destination: Destination, decision: Decision) -> dict[str, Any]:
    """Return where a model comes from, for the version's manifest."""
    examples, evidence = ExamplesManifest.read(release.examples), Evidence.read(release.evidence)
    found = {
        "model": destination.name,
        "compared_with": destination.champion,
        "submission": destination.submission,
        "spans": list(examples.spans),
        "data": examples.data,
        "source": examples.source,
        "records": {split: examples.records(split) for split in examples.splits()},
        "evidence": evidence.model_dump(mode="json")["entries"],
        "decision": decision.model_dump(mode="json"),
    }
    return found | ({} if evidence.cards is None else {"cards": json.loads(evidence.cards.content)})


def write_pushed(version: ModelVersion | None, path: Path, *, in_production: bool = False) -> None:
    """Write the pushed version for the report and the command line; null when nothing was pushed."""
    content = version and {
        "name": version.name,
        "version": version.version,
        "path": version.address,
        "digest": version.digest,
        "in_production": in_production,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    durable.replace(path, f"{json.dumps(content, indent=2)}\n".encode())
