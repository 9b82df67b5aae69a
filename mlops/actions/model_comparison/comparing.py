"""Compares two models on the eval split of a run, with the evaluation's own code."""

import math
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from artifacts.compression.costs import latency_of_calls, size_of
from artifacts.evaluation.result import EvaluationResult, Slice, measure
from artifacts.evaluation.slices import label
from artifacts.model.edge_model import MODEL, EdgeInputs, open_tflite
from artifacts.model.names import TFLITE, find_saved_model
from artifacts.predictions.scoring_model import ScoringModel
from artifacts.predictions.split import Splits
from artifacts.schema.reference import read_referenced
from components.evaluate_model.config import Config, LeakGuard
from components.evaluate_model.models import Models
from components.evaluate_model.scoring import score
from core import digest
from core.backends.registry import Registry, open_registry
from core.errors import MlopsError, RegistryError, UsageError, did_you_mean
from core.store import Store
from mlops.actions.model_comparison.compared import ComparedModel, Cost, Line, ModelComparison
from mlops.runs.history import read_run, summaries
from mlops.runs.record import Run, State, Task
from problems import kind
from problems.labels import TrainedLabel

STAGE = "evaluate_model"
_COSTED_ROWS = 1000
_NO_COST = Cost(None, None, None, None)


@dataclass(frozen=True)
class Found:
    """A model that was asked for."""

    reference: str
    name: str
    """Of the model in the registry; empty for a folder."""
    folder: Path
    """The SavedModel's folder, or the one above it."""


def compare_models(store: Store, before: str, after: str, run_id: str = "") -> ModelComparison:
    """Compare two models, each `NAME`, `NAME@VERSION` or the folder of a trained model (with a `/` in it).

    They predict the rows that a run evaluated: `run_id`, or the newest of that model. Raises RegistryError for a
    version that is not known, UsageError for models of two names, MlopsError when there is no run to take rows from.
    """
    registry = open_registry(store.registry)
    first, second = _found(registry, before), _found(registry, after)
    if first.name and second.name and first.name != second.name:
        raise UsageError(
            f"wanted two versions of one model, got {first.name} and {second.name}: they answer other rows"
        )
    task, run = _evaluated(store, first.name or second.name, run_id)
    config = Config.model_validate(task.parameters["config"]).model_copy(update={"baselines": (), "leak": LeakGuard()})
    splits = Splits(task.inputs["examples"].path, read_referenced(task.parameters["schema"]))
    raw = TrainedLabel(config.label, config.task, output=config.model_output)
    models = Models(ScoringModel.load(second.folder, raw), ScoringModel.load(first.folder, raw))
    scored = score(config, splits, models)
    with tempfile.TemporaryDirectory(prefix="compare-") as folder:
        result = measure(config.evaluation_spec, scored.rows, Path(folder))
    if result.faults or result.champion_fault or result.overall is None:
        raise MlopsError(f"the models cannot be compared: {'; '.join(result.faults) or result.champion_fault}")
    few = next(splits.blocks("eval", _COSTED_ROWS)).serialized
    ours = (_described(first, models.champion, few), _described(second, models.candidate, few))
    gain = result.comparisons[0].gain
    return ModelComparison(
        before=ours[0],
        after=ours[1],
        run_id=run.run_id,
        rows=result.overall.examples,
        metric=config.metrics[0].name,
        gain=(_known(gain.low), _known(gain.value), _known(gain.high)),
        skill=kind(config.task).skill_name,
        metrics=tuple(_metrics(config, result)),
        slices=tuple(_slices(config, result)),
        gaps=tuple(_gaps(config, result)),
        costs=tuple(_costs(*ours)),
    )


def _found(registry: Registry, reference: str) -> Found:
    """Find a model; every byte of a version is checked."""
    if "/" in reference:
        folder = Path(reference).expanduser().absolute()
        if find_saved_model(folder) is None:
            raise UsageError(f"{folder}: wanted the folder of a trained model, got one without a SavedModel")
        return Found("/".join(folder.parts[-2:]), "", folder)
    name, _, number = reference.partition("@")
    if name not in registry.names():
        raise RegistryError(f"no model {name!r} was ever pushed{did_you_mean(name, registry.names())}")
    if number and not number.isdigit():
        raise UsageError(f"wanted NAME or NAME@VERSION, such as {name}@3, got {reference!r}")
    version = registry.get(name, int(number)) if number else registry.champion(name)
    if version is None:
        raise RegistryError(f"{name}: no version is in production; name one: {name}@VERSION")
    return Found(f"{name}@{version.version}", name, version.path)


def _evaluated(store: Store, name: str, run_id: str) -> tuple[Task, Run]:
    """Return the task that evaluated a model, with its rows and its configuration."""
    wanted = [run_id] if run_id else [one["run_id"] for one in summaries(store) if name in ("", one["usecase"])]
    for found in wanted:
        run = read_run(store, found)
        for task in run.tasks:
            if task.stage == STAGE and task.state is State.SUCCEEDED and "examples" in task.inputs:
                return task, run
    what = f"run {run_id}" if run_id else f"a run of {name}" if name else "a run"
    raise MlopsError(
        f"{store.runs}: wanted {what} that evaluated a model, to predict its rows, found none; start one with "
        f"`mlops run {name or 'USECASE'}`"
    )


def _described(found: Found, model: ScoringModel | None, serialized: tf.Tensor) -> ComparedModel:
    """Measure what a model costs."""
    assert model is not None
    folder = find_saved_model(found.folder)
    assert folder is not None
    size = size_of(folder)
    row, many = latency_of_calls(lambda: model.predictor(serialized[:1]), lambda: model.predictor(serialized))
    cost = Cost(size.raw, size.gzip, row, many)
    return ComparedModel(
        found.reference, digest.of_folder(folder), cost, _edge_cost(folder / TFLITE, model, serialized)
    )


def _edge_cost(folder: Path, model: ScoringModel, serialized: tf.Tensor) -> Cost:
    if not (folder / MODEL).is_file():
        return _NO_COST
    size = size_of(folder / MODEL)
    packed = EdgeInputs.read(folder).pack(model.predictor.transformed(serialized))
    tflite = open_tflite(folder / MODEL, tf.lite.Interpreter)
    single = {name: values[:1] for name, values in packed.items()}
    return Cost(size.raw, size.gzip, *latency_of_calls(lambda: tflite(single), lambda: tflite(packed)))


def _metrics(config: Config, result: EvaluationResult) -> Iterator[Line]:
    better = {metric.name: metric.at_least is not None for metric in config.metrics}
    overall = result.overall
    assert overall is not None
    names = sorted(overall.candidate, key=lambda name: (name not in better, name))
    for name in names:
        yield _line(name, overall, better.get(name))


def _slices(config: Config, result: EvaluationResult) -> Iterator[Line]:
    """Yield the metric of the gate on every slice that is large enough to decide by, the largest losses first."""
    metric, more_is_better = config.metrics[0].name, config.metrics[0].at_least is not None
    large = [one for one in result.slices if one.key and one.examples >= config.min_slice_examples]
    lines = [_line(metric, one, more_is_better) for one in large]
    sign = 1 if more_is_better else -1
    yield from sorted(lines, key=lambda line: sign * (line.change if line.change is not None else 0.0))


def _line(metric: str, item: Slice, more_is_better: bool | None) -> Line:
    before, after = (item.champion or {}).get(metric, math.nan), item.candidate.get(metric, math.nan)
    return Line(metric, _known(before), _known(after), more_is_better, label(item.key), item.examples)


def _gaps(config: Config, result: EvaluationResult) -> Iterator[Line]:
    """Yield the largest difference between two slices of each feature, in the metric and in the rate of predictions."""
    metric = config.metrics[0].name
    for features in config.slices:
        if len(features) != 1:
            continue
        items = [
            one
            for one in result.slices
            if [name for name, _ in one.key] == list(features) and one.examples >= config.min_slice_examples
        ]
        for name in (metric, "recall", "false_positive_rate", "mean_prediction"):
            before = [(one.champion or {}).get(name, math.nan) for one in items]
            after = [one.candidate.get(name, math.nan) for one in items]
            if len(items) > 1 and np.isfinite([*before, *after]).all():
                yield Line(f"{name} between {features[0]}s", max(before) - min(before), max(after) - min(after), False)


def _costs(before: ComparedModel, after: ComparedModel) -> Iterator[Line]:
    rows: tuple[tuple[str, Mapping[str, Any], Mapping[str, Any]], ...] = (
        ("SavedModel", vars(before.saved_model), vars(after.saved_model)),
        ("TFLite", vars(before.tflite), vars(after.tflite)),
    )
    titles = {"bytes": "bytes", "gzip": "bytes after gzip", "row_us": "us a row", "thousand_rows_us": "us a 1000 rows"}
    for title, first, second in rows:
        for name, words in titles.items():
            if first[name] is not None or second[name] is not None:
                yield Line(f"{title}: {words}", first[name], second[name], False)


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None
