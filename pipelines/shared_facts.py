"""Copies what the use case writes once, such as `problem`, into the sections of the stages that need it."""

from typing import Any

from core.errors import ConfigError
from core.problem import facts_in
from core.settings import Settings, shared_in
from pipelines import stages
from pipelines.yaml_lines import KeyPath, YamlFile


def fields_of(model: type[Settings]) -> set[str]:
    """Return the fields of a section that are filled in, and that nobody writes there."""
    return {*facts_in(model), *shared_in(model)}


def copy(content: dict[str, Any], file: YamlFile) -> None:
    """Fill in the annotated fields of each stage's section; ConfigError where one is written in the section itself."""
    written = dict(content)
    problem = written.get("problem")
    for stage in stages.names():
        model = stages.config_model(stage)
        places = _places(model)
        if stage not in content and _needs_more_than(places, model):
            continue
        section = content.get(stage, {})
        if not places or not isinstance(section, dict) or not isinstance(problem, dict):
            continue
        for key in sorted(set(places) & set(section)):
            where = places[key]
            raise ConfigError(
                f"{file.where((stage, key))} is shared by several stages: "
                f"write it under `{where[0]}` ({'.'.join(where)}), and only there"
            )
        filled = {key: _found(written, place) for key, place in places.items()}
        content[stage] = {**section, **{key: value for key, value in filled.items() if value is not None}}


def is_copied(place: KeyPath, places: list[KeyPath]) -> bool:
    """Whether a fault is in a stage's copy of what has the fault itself where it is written."""
    if len(place) < 2 or place[0] not in stages.names():
        return False
    written = _places(stages.config_model(str(place[0]))).get(str(place[1]))
    return written is not None and (*written, *place[2:]) in places


def _places(model: type[Settings]) -> dict[str, tuple[str, ...]]:
    """Return field -> place in the file where it is written."""
    facts = {field: ("problem", fact) for field, fact in facts_in(model).items()}
    return facts | {field: (section,) for field, section in shared_in(model).items()}


def _found(content: dict[str, Any], place: tuple[str, ...]) -> Any:
    found: Any = content
    for key in place:
        found = found.get(key) if isinstance(found, dict) else None
    return found


def _needs_more_than(filled: dict[str, tuple[str, ...]], model: type[Settings]) -> bool:
    return any(field.is_required() and name not in filled for name, field in model.model_fields.items())
