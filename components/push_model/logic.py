"""Publish a model that every gate has let through, once, however often the step is repeated."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from artifacts.examples.manifest import ExamplesManifest
from components.push_model.config import Config
from core import digest
from core.backends.registry import ModelVersion, Registry, open_registry
from core.decision import Decision
from core.errors import GateClosed, RegistryError

SAVED_MODEL = "Format-Serving"
"""The folder of a model artifact that holds what is served."""


@dataclass(frozen=True)
class Candidate:
    """The model, what the gates said of it, and what it was made from."""

    model: Path
    evaluated: Path
    served: Path
    examples: Path

    @classmethod
    def of(cls, *paths: str) -> "Candidate":
        """Take the paths in the order of the fields."""
        return cls(*map(Path, paths))


@dataclass(frozen=True)
class Target:
    """Where the model goes, the champion that it was judged against, and the submission that asks for it."""

    name: str
    registry: str
    champion: str
    submission: str = ""


def push(config: Config, target: Target, candidate: Candidate, pushed: Path | str) -> str:
    """Publish, promote and say what was pushed; repeated after any interruption, it ends in the same state.

    Raises GateClosed when a gate did not pass or a person withdrew this very model, RegistryError when it cannot be published
    or another champion is in production than the model was judged against.
    """
    decisions = {
        gate: opened(path, gate)
        for gate, path in (("evaluate_model", candidate.evaluated), ("validate_infra", candidate.served))
    }
    registry = open_registry(target.registry)
    saved_model = candidate.model / SAVED_MODEL
    if config.promote:
        _check_place(registry, target, digest.of_folder(saved_model))
    version = registry.publish(target.name, saved_model, about(target, candidate.examples, decisions))
    if config.promote:
        registry.promote(target.name, version.version, replacing=target.champion)
    write_pushed(version, Path(pushed))
    return version.reference


def opened(path: Path, gate: str) -> Decision:
    """Read a gate's decision; GateClosed unless it is this gate's and an outright pass."""
    try:
        decision = Decision.read(path)
    except (OSError, ValidationError) as error:
        reason = error.errors()[0]["msg"] if isinstance(error, ValidationError) else error.strerror
        raise GateClosed(
            f"{path}: wanted the decision of {gate}, got none that can be read ({reason}); a gate that says nothing is closed"
        ) from error
    if decision.gate != gate:
        raise GateClosed(f"{path}: wanted the decision of {gate}, got one of {decision.gate}; nothing was pushed")
    if not decision.is_open:
        raise GateClosed(f"{gate} says {decision.verdict}: {decision.summary} {decision.next_step}".strip())
    return decision


def about(target: Target, examples_folder: Path, decisions: Mapping[str, Decision]) -> dict[str, Any]:
    """Say where a model comes from, for the version's manifest."""
    examples = ExamplesManifest.read(examples_folder)
    return {
        "model": target.name,
        "judged_against": target.champion,
        "submission": target.submission,
        "spans": list(examples.spans),
        "data": examples.data,
        "source": examples.source,
        "records": {split: examples.records(split) for split in examples.splits()},
        "decisions": {gate: decision.model_dump(mode="json") for gate, decision in decisions.items()},
    }


def write_pushed(version: ModelVersion, path: Path) -> None:
    """Write what was pushed, for the report and the command line."""
    said = {"name": version.name, "version": version.version, "path": version.address, "digest": version.digest}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(said, indent=2) + "\n", encoding="utf-8")


def _check_place(registry: Registry, target: Target, model: str) -> None:
    """Find out before anything is written that the model could not take its place."""
    current = registry.pointer(target.name)
    if current is not None and current.digest == model:
        return
    if str(current or "") != target.champion:
        raise RegistryError(
            f"{target.name}: {current or 'no version'} is in production, but the model was judged against {target.champion or 'none'}; "
            "run the pipeline again, so that it is compared with the one it would replace"
        )
    if registry.withdrawn(target.name, model):
        raise GateClosed(
            f"{target.name}: this very model was rolled back by a person; `mlops models push` by a person puts it back, a pipeline does not"
        )
