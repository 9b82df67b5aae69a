"""Publish a model whose evidence is complete, once, however often the step is repeated."""

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
    """What is released: a model, what the gates decided about it, and what it was made from."""

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
    """Where a model goes, the champion that it was compared with, and the submission that asks for it."""

    name: str
    registry: str
    champion: str
    submission: str = ""


@dataclass(frozen=True)
class Outputs:
    """Where the description of what was pushed, and the decision, are written."""

    pushed: Path | str
    decision: Path | str


def push(config: Config, release: Release, destination: Destination, outputs: Outputs) -> str:
    """Decide, publish, promote and write what was pushed; repeated after any interruption, it ends in the same state.

    Returns the version's reference, or "" when the gate is closed; then nothing was published. Raises RegistryError
    when the model cannot be published, or the champion changes during the push.
    """
    registry = open_registry(destination.registry)
    model = digest.of_named(manifest.scan(release.saved_model))
    decision = decide(release.evidence, config.requirements, model)
    if config.promote:
        place = (champion_check(registry, destination, model), withdrawal_check(registry, destination, model))
        decision = Decision.of(GATE, (*decision.checks, *place), subject=model)
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
    """Compare a model's evidence with what a release requires; evidence that cannot be read leaves it undecided."""
    try:
        found = Evidence.read(evidence)
    except CorruptArtifact as error:
        unread = Check(
            rule="the evidence can be read",
            observed=str(error),
            verdict=Verdict.UNDECIDED,
            next_step="Run the pipeline again; if it happens again, find out what writes to its artifacts.",
        )
        return Decision.of(GATE, (unread,), subject=model)
    return Decision.of(GATE, requirements.checks(found, model), subject=model)


def champion_check(registry: Registry, destination: Destination, model: str) -> Check:
    """Find out whether the champion is still the one that a model, given by its digest, was compared with."""
    current = registry.pointer(destination.name)
    if current is not None and current.digest == model:
        return Check(rule="this very model is in production already", observed=str(current), verdict=Verdict.PASS)
    return _check(
        "the champion is the one that the model was compared with",
        str(current or "") == destination.champion,
        str(current or "no version"),
        "Run the pipeline again, so that the model is compared with the one that it would replace.",
        threshold=destination.champion or "no version",
    )


def withdrawal_check(registry: Registry, destination: Destination, model: str) -> Check:
    """Find out whether a person took this very model out of production."""
    is_withdrawn = registry.withdrawn(destination.name, model)
    return _check(
        "no person has rolled this very model back",
        not is_withdrawn,
        "rolled back" if is_withdrawn else "not rolled back",
        "A person puts it back with `mlops models push`; a pipeline does not.",
    )


def _check(rule: str, holds: bool, observed: str, next_step: str, threshold: str | None = None) -> Check:
    verdict = Verdict.PASS if holds else Verdict.FAIL
    return Check(
        rule=rule, threshold=threshold, observed=observed, verdict=verdict, next_step="" if holds else next_step
    )


def publish_and_promote(
    registry: Registry, saved_model: Path, destination: Destination, origin: dict[str, Any]
) -> ModelVersion:
    """Publish a model and put it in the champion's place; one that cannot take the place is not left behind."""
    before = registry.numbers(destination.name)
    version = registry.publish(destination.name, saved_model, origin)
    try:
        registry.promote(destination.name, version.version, replacing=destination.champion)
    except RegistryError:
        if version.version not in before:
            with suppress(RegistryError):  # the error that counts is the promotion's
                registry.discard(destination.name, version.version)
        raise
    return version


def about(release: Release, destination: Destination, decision: Decision) -> dict[str, Any]:
    """Describe where a model comes from, for the version's manifest."""
    examples = ExamplesManifest.read(release.examples)
    return {
        "model": destination.name,
        "compared_with": destination.champion,
        "submission": destination.submission,
        "spans": list(examples.spans),
        "data": examples.data,
        "source": examples.source,
        "records": {split: examples.records(split) for split in examples.splits()},
        "evidence": Evidence.read(release.evidence).model_dump(mode="json")["entries"],
        "decision": decision.model_dump(mode="json"),
    }


def write_pushed(version: ModelVersion | None, path: Path, *, in_production: bool = False) -> None:
    """Write what was pushed, for the report and the command line: null when nothing was."""
    content = version and {
        "name": version.name,
        "version": version.version,
        "path": version.address,
        "digest": version.digest,
        "in_production": in_production,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    durable.replace(path, f"{json.dumps(content, indent=2)}\n".encode())
