"""A use case's configuration: the sum of the stages' sections, checked as a whole before anything is compiled."""

import os
import re
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_origin

from pydantic import BaseModel, Field, ValidationError, create_model
from pydantic_core import ErrorDetails

from artifacts.schema.feature_rules import FeatureRules
from core.beam.settings import Beam
from core.errors import ConfigError, UsageError, did_you_mean
from core.problem import Problem
from core.settings import Settings
from core.user_code import ROOT, reference
from pipelines import gates, shared_facts, splits, stages, transport
from pipelines.schedule import Schedule, ScheduleName
from pipelines.steps import Step
from pipelines.triggers import Triggers
from pipelines.yaml_lines import KeyPath, YamlFile

USECASES = ROOT / "usecases"


class Source(Settings):
    """Where the data lies; known to whoever submits a run, and pinned there, so that no step has to look."""

    pattern: str
    """Files of a span, with `{SPAN}` for its number, or `{YYYY}`, `{MM}` and `{DD}` for its date; relative to
    the store's `data/<name>/`, or absolute."""
    span: int | date | str | None = None
    """The span that is run when none is asked for: its number or its date; the newest where this is empty."""


class _Common(Settings):
    """What every use case has, whatever stages there are."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,40}$")
    """Lower-case, digits and underscores; it names the model, the pipeline and the run."""
    source: Source
    problem: Problem
    features: FeatureRules = FeatureRules()
    """Which features must not be used, and what one may cost."""
    beam: Beam | None = None
    """Where the stages that read all data run; without it, each runs in one process."""
    schedules: dict[ScheduleName, Schedule] = Field(default_factory=dict)
    """Recurring runs by name, such as `retrain`; a world that keeps schedules gets them with `mlops schedule apply`."""
    triggers: Triggers = Triggers()
    """Which other facts start a run by themselves."""
    folder: Path = Field(exclude=True)
    """Where the use case lies; set by the loader, not written in the file."""

    def has(self, stage: str) -> bool:
        """Whether a stage has a section, written or of defaults alone; one that is null has none."""
        return getattr(self, stage, None) is not None

    def configured(self, stage: str) -> Any:
        """Return a stage's configuration; ConfigError where it has none."""
        config = getattr(self, stage)
        if config is None:
            raise ConfigError(f"{self.folder / 'config.yaml'}: {stage} is missing, but needed here: write its section")
        return config

    def section(self, stage: str) -> dict[str, Any]:
        """Return one stage's section as the `dict` parameter that its component takes.

        kfp refuses None inside a dict, so what is None is left out. Raises ConfigError where a stage has no section.
        """
        config = self.configured(stage)
        if found := list(transport.faults(config, (stage,))):
            raise ConfigError(
                "\n".join(f"{self.folder / 'config.yaml'}: {_dotted(place)}: {why}" for place, why in found)
            )
        dumped: dict[str, Any] = config.model_dump(mode="json", exclude_none=True)
        return dumped

    def step(self, stage: str) -> Step:
        """Return how a stage runs: what `steps` says of it, or the defaults."""
        steps: dict[str, Step] = getattr(self, "steps")  # noqa: B009 - declared below, when all stages are known
        return steps.get(stage, Step())

    @property
    def cli_name(self) -> str:
        """What the command line takes for it: the name of its folder in `usecases/`, else the whole path."""
        return self.folder.name if self.folder.parent == USECASES else str(self.folder)

    @property
    def module(self) -> str:
        """Reference of the user's Python module, with the digest of the folder's code.

        Source data that lies in the folder does not count: what was read of it has a digest of its own in every run.
        """
        return self._code("module.py")

    @property
    def labeling(self) -> str:
        """Reference of the user's labeling functions, as `module` has it; empty where there are none."""
        return self._code("labeling.py") if (self.folder / "labeling.py").is_file() else ""

    @property
    def schema_file(self) -> str:
        """Reference of the curated schema, with its digest."""
        return reference(self._file("schema.pbtxt"))

    def _code(self, name: str) -> str:
        pattern = re.sub(r"\{[^}]*\}", "*", self.source.pattern)
        inside = Path(pattern).is_relative_to(self.folder)
        without = Path(pattern).relative_to(self.folder).as_posix() if inside else ""
        return reference(self._file(name), without=without)

    def _file(self, name: str) -> Path:
        path = self.folder / name
        if not path.is_file():
            raise UsageError(f"{path}: every use case has a {name}; see usecases/README.md for what it holds")
        return path


def _section_field(stage: str) -> Any:
    """Return type and default of a stage's section: None where the stage needs keys that nobody wrote."""
    model = stages.config_model(stage)
    needed = {name for name, field in model.model_fields.items() if field.is_required()}
    default = None if needed else model()
    return (model | None, default)


if TYPE_CHECKING:

    class UseCase(_Common):
        """Everything a pipeline is compiled from; one section per stage, named as the stage."""

        steps: dict[str, Step]

        def __getattr__(self, stage: str) -> Any: ...
else:
    UseCase = create_model(
        "UseCase",
        __base__=_Common,
        __doc__="Everything a pipeline is compiled from; one section per stage, named as the stage.",
        **{stage: _section_field(stage) for stage in stages.names()},
        steps=(dict[Literal[stages.names()], Step], {}),
    )


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of `config.yaml`, as a person writes it: without what the loader fills in."""
    schema = UseCase.model_json_schema()
    _leave_out(schema, {"folder"})
    for stage in stages.names():
        model = stages.config_model(stage)
        _leave_out(_definition(schema, schema["properties"][stage]), shared_facts.fields_of(model))
    step = schema["properties"]["steps"].pop("additionalProperties")
    schema["properties"]["steps"] |= {
        "properties": dict.fromkeys(stages.names(), step),
        "additionalProperties": False,
        "description": "How each stage runs, wherever that is.",
    }
    schema["properties"]["steps"].pop("propertyNames")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "title": "A use case of ML in production",
    }


def _definition(schema: dict[str, Any], field: dict[str, Any]) -> dict[str, Any]:
    """Return the definition that a stage's `Config | None` refers to."""
    reference = next(one["$ref"] for one in field["anyOf"] if "$ref" in one)
    found: dict[str, Any] = schema["$defs"][reference.rpartition("/")[2]]
    return found


def _leave_out(section: dict[str, Any], keys: set[str]) -> None:
    section["properties"] = {key: value for key, value in section.get("properties", {}).items() if key not in keys}
    section["required"] = [key for key in section.get("required", []) if key not in keys]


def find(usecase: str) -> Path:
    """Return the folder of a use case given by its name, or by a path (with a `/` in it); UsageError otherwise."""
    folder = Path(usecase).expanduser() if "/" in usecase else USECASES / usecase
    if not (folder / "config.yaml").is_file():
        known = [path.parent.name for path in USECASES.glob("*/config.yaml")]
        hint = "" if "/" in usecase else did_you_mean(usecase, known)
        raise UsageError(f"no use case {usecase!r}: wanted a folder with a config.yaml at {folder}{hint}")
    return Path(os.path.abspath(folder))  # noqa: PTH100 - what follows links would name another path than the user did


def name_of(argument: str) -> str:
    """Return the `name` of a use case, which is also its model's, given that name or the path to its folder."""
    return load(find(argument)).name if "/" in argument else argument


def load(folder: Path) -> UseCase:
    """Read and check a use case's `config.yaml`; ConfigError lists every fault with file, line, key, wanted and got."""
    file = YamlFile(folder / "config.yaml")
    content = dict(file.content)
    shared_facts.copy(content, file)
    if "schedule" in content:
        raise ConfigError(
            f"{file.where(('schedule',))} is written as one of several now, each with a name: "
            "schedules: {retrain: {cron: ..., pipeline: ...}}"
        )
    if "folder" in content:
        raise ConfigError(f"{file.where(('folder',))} is not yours to set")
    try:
        usecase = UseCase.model_validate({**content, "folder": folder})
    except ValidationError as error:
        raise ConfigError("\n".join(_explain(file, detail) for detail in _causes(error.errors()))) from None
    if usecase.has("ingest_examples"):
        splits.check(usecase.ingest_examples.split, usecase.problem.label, file)
    if usecase.push_model is not None:
        gates.check_names(usecase.push_model, gates.known(UseCase), file)
    sections = ((stage, getattr(usecase, stage)) for stage in stages.names() if usecase.has(stage))
    found = [fault for stage, config in sections for fault in transport.faults(config, (stage,))]
    if found:
        raise ConfigError("\n".join(f"{file.where(place)}: {why}" for place, why in found))
    return usecase


def _dotted(place: KeyPath) -> str:
    return ".".join(map(str, place))


def _causes(details: list[ErrorDetails]) -> list[ErrorDetails]:
    """Leave out faults that follow from another: a list that lacks an invalid entry, a stage's copy of a fact."""
    places = [detail["loc"] for detail in details]
    is_copied = shared_facts.is_copied
    return [detail for detail in details if not (_lacks_an_entry(detail, places) or is_copied(detail["loc"], places))]


def _lacks_an_entry(detail: ErrorDetails, places: list[KeyPath]) -> bool:
    """Whether a list is too short only because an entry of it is invalid."""
    where = detail["loc"]
    inside = (place for place in places if len(place) > len(where))
    return detail["type"] == "too_short" and any(place[: len(where)] == where for place in inside)


def _explain(file: YamlFile, detail: ErrorDetails) -> str:
    place: KeyPath = detail["loc"]
    if place[-1] == "[key]":
        place = place[:-1]
        if place[0] == "steps":
            return f"{file.where(place)} is not a stage{did_you_mean(str(place[-1]), stages.names())}"
    where = file.where(place)
    match detail["type"]:
        case "extra_forbidden":
            return f"{where} is not a key here{did_you_mean(str(place[-1]), _keys_at(place[:-1]))}"
        case "missing":
            return f"{where} is missing"
        case _:
            return f"{where}: {detail['msg'].removeprefix('Value error, ')}; got {detail['input']!r:.120}"


def _keys_at(place: KeyPath) -> list[str]:
    """Names that are valid at a place of the configuration, found by walking the models."""
    model: Any = UseCase
    names = (step for step in place if isinstance(step, str))
    for name in names:
        field = model.model_fields.get(name) if hasattr(model, "model_fields") else None
        if field is None:
            return []
        model = _model_in(field.annotation)
        if get_origin(field.annotation) is dict:
            next(names, None)  # the name under which a schedule or a step lies is no field
    return [key for key in getattr(model, "model_fields", {}) if key != "folder"]


def _model_in(annotation: Any) -> Any:
    """The first configuration model inside an annotation such as `tuple[Risk, ...]` or `Split | None`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(
        (found for inner in getattr(annotation, "__args__", ()) if (found := _model_in(inner)) is not None), None
    )
