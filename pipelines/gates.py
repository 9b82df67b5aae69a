"""Finds the stages that are gates of a model, and checks that a pipeline has those that a release requires."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel

from components.push_model.config import Config as PushModel
from core.errors import ConfigError, did_you_mean
from core.settings import GateSettings
from pipelines.yaml_lines import YamlFile

if TYPE_CHECKING:
    from kfp.dsl import PipelineTask


def known(usecase: type[BaseModel]) -> list[str]:
    """Return the gates of a model: the stages whose section is a `GateSettings`."""
    fields = usecase.model_fields.items()
    return [name for name, field in fields if _is_gate(field.annotation)]


def _is_gate(annotation: object) -> bool:
    if isinstance(annotation, type):
        return issubclass(annotation, GateSettings)
    return any(_is_gate(inner) for inner in getattr(annotation, "__args__", ()))


def check_names(config: PushModel, known: Iterable[str], file: YamlFile) -> None:
    """Raise ConfigError, with the nearest name, when a release requires or waives something that is not a gate."""
    gates = list(known)
    for key in ("requires", "waives"):
        for name in getattr(config, key):
            if name not in gates:
                raise ConfigError(f"{file.where(('push_model', key))}: {name!r} is no gate{did_you_mean(name, gates)}")


def check_asked(config: PushModel, asked: Sequence[str], file: Path) -> None:
    """Raise ConfigError when a pipeline lacks a required gate, or has one that is neither required nor waived."""
    if never := [gate for gate in config.requires if gate not in asked]:
        raise ConfigError(
            f"{file}: push_model.requires names {', '.join(never)}, but this pipeline does not collect its decision; "
            f"it collects {', '.join(asked) or 'none'}"
        )
    if unknown := [gate for gate in asked if gate not in {*config.requires, *config.waives}]:
        raise ConfigError(
            f"{file}: this pipeline asks {', '.join(unknown)}, which push_model does not know; "
            "add it to push_model.requires, or to push_model.waives with a reason"
        )


def stage_of(task: "PipelineTask") -> str:
    """Return the stage that a traced task runs."""
    name: str = task.component_spec.name
    return name.replace("-", "_")
