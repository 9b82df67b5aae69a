"""Runs a use case with an optional stage switched on, whether its configuration has a section for the stage or not."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from core.errors import MlopsError, UsageError, did_you_mean
from core.problem import facts_in
from core.store import Store
from mlops.runs.history import read_run
from pipelines import stages
from pipelines.config import UseCase


def switched_on(usecase: UseCase, stage: str, changes: Sequence[str]) -> UseCase:
    """Return the use case with the stage's section and changes to it, each `key=value` or `key.inner=value` in YAML.

    Raises UsageError for a change that is no such pair, or a section that is not valid with them.
    """
    model = stages.config_model(stage)
    present = getattr(usecase, stage)
    section: dict[str, Any] = {} if present is None else present.model_dump(mode="json", exclude_none=True)
    for change in changes:
        _apply(section, change, tuple(model.model_fields))
    facts = {field: getattr(usecase.problem, fact) for field, fact in facts_in(model).items()}
    try:
        return usecase.model_copy(update={stage: model.model_validate({**section, **facts})})
    except ValidationError as error:
        raise UsageError("\n".join(_explain(stage, detail) for detail in error.errors())) from None


def made_by(store: Store, run_id: str, stage: str, output: str) -> Path:
    """Return the folder of an artifact of a run; MlopsError where the run did not come so far."""
    found = read_run(store, run_id).artifact(stage, output)
    if found is None:
        raise MlopsError(f"run {run_id} has no {output}: {stage} did not end; see: mlops runs show {run_id}")
    return found.path


def _apply(section: dict[str, Any], change: str, known: Sequence[str]) -> None:
    key, separator, text = change.partition("=")
    if not separator or not key:
        raise UsageError(f"--set {change}: wanted KEY=VALUE, such as alpha=0.1 or student.hyperparameters.units=8")
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        raise UsageError(f"--set {change}: wanted a value in YAML, such as 0.1 or [32, 16], got {text!r}") from None
    *outer, last = key.split(".")
    if key.split(".")[0] not in known:
        raise UsageError(f"--set {change}: no key {key.split('.')[0]!r}{did_you_mean(key.split('.')[0], known)}")
    place = section
    for name in outer:
        inner = place.get(name)
        place[name] = dict(inner) if isinstance(inner, dict) else {}
        place = place[name]
    place[last] = value


def _explain(stage: str, detail: Any) -> str:
    place = ".".join(map(str, (stage, *detail["loc"])))
    if detail["type"] == "missing":
        key = place.partition(".")[2]
        return f"{place} is missing: write it in the section {stage} of config.yaml, or add --set {key}=VALUE"
    return f"{place}: {detail['msg'].removeprefix('Value error, ')}; got {detail['input']!r:.120}"
