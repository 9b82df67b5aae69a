"""A use case's configuration: the sum of the stages' sections, checked as a whole before anything is compiled."""

import re
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field, ValidationError
from pydantic_core import ErrorDetails

from components.collect_evidence.config import Config as CollectEvidence
from components.compute_statistics.config import Config as ComputeStatistics
from components.evaluate_model.config import Config as EvaluateModel
from components.ingest_examples.config import Config as IngestExamples
from components.push_model.config import Config as PushModel
from components.scope_use_case.config import Config as ScopeUseCase
from components.train_model.config import Config as TrainModel
from components.transform_features.config import Config as TransformFeatures
from components.validate_data.config import Config as ValidateData
from components.validate_infra.config import Config as ValidateInfra
from core.errors import ConfigError, UsageError, did_you_mean
from core.problem import Problem
from core.settings import Settings
from core.user_code import ROOT, reference
from pipelines import gates
from pipelines.schedule import Schedule
from pipelines.steps import Steps
from pipelines.yaml_lines import Place, YamlFile

USECASES = ROOT / "usecases"


class Source(Settings):
    """Where the data lies; known to whoever submits a run, and pinned there, so that no step has to look."""

    pattern: str
    """Files of a span, with `{SPAN}` in place of its number; relative to the store's `data/<name>/`, or absolute."""
    span: int | None = None
    """The span that is run when none is asked for; the newest where this is empty."""


class UseCase(Settings):
    """Everything a pipeline is compiled from; one section per stage, named as the stage."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,40}$")
    """Lower-case, digits and underscores; it names the model, the pipeline and the run."""
    source: Source
    problem: Problem
    scope_use_case: ScopeUseCase
    ingest_examples: IngestExamples
    compute_statistics: ComputeStatistics = ComputeStatistics()
    validate_data: ValidateData = ValidateData()
    transform_features: TransformFeatures = TransformFeatures()
    train_model: TrainModel
    evaluate_model: EvaluateModel
    validate_infra: ValidateInfra = ValidateInfra()
    collect_evidence: CollectEvidence = CollectEvidence()
    push_model: PushModel = PushModel()
    steps: Steps = Steps()
    schedule: Schedule | None = None
    folder: Path = Field(exclude=True)
    """Where the use case lies; set by the loader, not written in the file."""

    def section(self, stage: str) -> dict[str, Any]:
        """Return one stage's section as the `dict` parameter that its component takes.

        kfp refuses None inside a dict, so what is None is left out; ConfigError where that would read back as something else.
        """
        config = getattr(self, stage)
        assert isinstance(config, BaseModel)
        dumped = config.model_dump(mode="json", exclude_none=True)
        if type(config).model_validate(dumped) != config:
            raise ConfigError(
                f"{self.folder / 'config.yaml'}: {stage} sets a key to null whose default is not null; kfp cannot carry that"
            )
        return dumped

    @property
    def module(self) -> str:
        """Reference of the user's Python module, with the digest of the folder's code.

        Source data that lies in the folder does not count: what was read of it has a digest of its own in every run.
        """
        pattern = re.sub(r"\{[^}]*\}", "*", self.source.pattern)
        inside = Path(pattern).is_relative_to(self.folder)
        without = Path(pattern).relative_to(self.folder).as_posix() if inside else ""
        return reference(self._file("module.py"), without=without)

    @property
    def schema_file(self) -> str:
        """Reference of the curated schema, with its digest."""
        return reference(self._file("schema.pbtxt"))

    def _file(self, name: str) -> Path:
        path = self.folder / name
        if not path.is_file():
            raise UsageError(f"{path}: every use case has a {name}; see usecases/README.md for what it holds")
        return path


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of `config.yaml`, as a person writes it: without what the loader fills in."""
    schema = UseCase.model_json_schema()
    sections = [schema, *(section for section in schema["$defs"].values() if section.get("title") != Problem.__name__)]
    for section in sections:
        filled_in = {"folder"} if section is schema else set(Problem.model_fields) & set(section.get("properties", {}))
        section["properties"] = {
            key: value for key, value in section.get("properties", {}).items() if key not in filled_in
        }
        section["required"] = [key for key in section.get("required", []) if key not in filled_in]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "title": "A use case of ML in production",
    }


def find(usecase: str) -> Path:
    """Return the folder of a use case given by its name, or by a path (with a separator in it); UsageError otherwise."""
    folder = Path(usecase).expanduser() if "/" in usecase else USECASES / usecase
    if not (folder / "config.yaml").is_file():
        known = [path.parent.name for path in USECASES.glob("*/config.yaml")]
        hint = "" if "/" in usecase else did_you_mean(usecase, known)
        raise UsageError(f"no use case {usecase!r}: wanted a folder with a config.yaml at {folder}{hint}")
    return folder.resolve()


def load(folder: Path) -> UseCase:
    """Read and check a use case's `config.yaml`; ConfigError lists every problem with file, line, key, wanted and got."""
    file = YamlFile(folder / "config.yaml")
    content = dict(file.content)
    _share_problem(content, file)
    if "folder" in content:
        raise ConfigError(f"{file.where(('folder',))} is not yours to set")
    try:
        usecase = UseCase.model_validate({**content, "folder": folder})
    except ValidationError as error:
        raise ConfigError("\n".join(_explain(file, detail) for detail in error.errors())) from None
    gates.check_names(usecase.push_model, gates.known(UseCase), file)
    return usecase


def _share_problem(content: dict[str, Any], file: YamlFile) -> None:
    """Copy the problem's facts into each section whose model declares them."""
    problem = content.get("problem")
    if not isinstance(problem, dict):
        return
    for stage, field in UseCase.model_fields.items():
        model = field.annotation
        if not (isinstance(model, type) and issubclass(model, Settings)) or model is Problem:
            continue
        shared = set(model.model_fields) & set(Problem.model_fields)
        section = content.get(stage, {})
        if not shared or not isinstance(section, dict):
            continue
        for key in sorted(shared & set(section)):
            raise ConfigError(
                f"{file.where((stage, key))} is shared by several stages: write it under `problem`, and only there"
            )
        content[stage] = {**section, **{key: problem[key] for key in sorted(shared) if key in problem}}


def _explain(file: YamlFile, detail: ErrorDetails) -> str:
    place: Place = detail["loc"]
    where = file.where(place)
    match detail["type"]:
        case "extra_forbidden":
            return f"{where} is not a key here{did_you_mean(str(place[-1]), _keys_at(place[:-1]))}"
        case "missing":
            return f"{where} is missing"
        case _:
            return f"{where}: {detail['msg'].removeprefix('Value error, ')}; got {detail['input']!r:.120}"


def _keys_at(place: Place) -> list[str]:
    """Names that are valid at a place of the configuration, found by walking the models."""
    model: Any = UseCase
    for step in place:
        if isinstance(step, int):
            continue
        field = model.model_fields.get(step) if hasattr(model, "model_fields") else None
        if field is None:
            return []
        model = _model_in(field.annotation)
    return [key for key in getattr(model, "model_fields", {}) if key != "folder"]


def _model_in(annotation: Any) -> Any:
    """The first configuration model inside an annotation such as `tuple[Risk, ...]` or `Split | None`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(
        (found for inner in getattr(annotation, "__args__", ()) if (found := _model_in(inner)) is not None), None
    )
