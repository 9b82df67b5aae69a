"""Trains the user's module, and writes a SavedModel only when the training succeeds."""

import json
import logging
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import keras
import tensorflow as tf
import tensorflow_transform as tft
from tensorflow_metadata.proto.v0 import schema_pb2

from artifacts.examples.manifest import ExamplesManifest
from artifacts.labels.soft_rows import training_rows
from artifacts.model.features import Features
from artifacts.model.label import LABEL_GRAPH
from artifacts.model.label import write as write_label
from artifacts.model.names import CHECKPOINT, SERVING, TRAINING
from artifacts.schema.reference import read_referenced, referenced_file
from components.train_model import curves, export, fitting, run_fn
from components.train_model.answers import answer, check_inverse, output_width, save_label_graph, trained_name
from components.train_model.class_weights import weigh_classes
from components.train_model.config import Config
from components.train_model.labels import Classes, Observed, made_by_training
from components.train_model.raw_features import raw_features
from components.train_model.rows import Recipe, Rows
from components.train_model.served_rows import write_served
from components.train_model.warm_start import save_weights, warm_start
from core import user_code
from core.backends.registry import find
from core.errors import TrainingError
from problems.labels import TrainedLabel

log = logging.getLogger(__name__)


class Inputs(NamedTuple):
    """References of module and schema, folders, and the champion with its registry."""

    module: str
    schema: str
    examples: Path | str
    transform_graph: Path | str
    champion: str = ""
    registry: str = ""


class Outputs(NamedTuple):
    """The paths of model and pictures, and the function that logs metrics."""

    model: Path | str
    log_metric: Callable[[str, float], None]
    pictures: Path | str


def train(config: Config, inputs: Inputs, outputs: Outputs) -> None:
    """Train with the module's `build_model`, or else its `run_fn`.

    The output can be a mounted bucket: the model is made in a temporary folder and copied once. Only the checkpoint,
    which outlives a training that dies, and what a `run_fn` writes for itself are written there.

    Raises TrainingError, and writes no SavedModel, for no rows, labels that cannot be trained on or a loss that is not
    finite; MlopsError when the module has neither function. What the user's functions raise passes through.
    """
    model_folder = Path(outputs.model)
    model_folder.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(model_folder / SERVING, ignore_errors=True)
    shutil.rmtree(model_folder / LABEL_GRAPH, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix="train-model-") as temporary:
        made = Path(temporary, "model")
        made.mkdir()
        _make_model(config, inputs, outputs, made)
        shutil.copytree(made, model_folder, dirs_exist_ok=True)
    (model_folder / CHECKPOINT).unlink(missing_ok=True)


def _make_model(config: Config, inputs: Inputs, outputs: Outputs, made: Path) -> None:
    """Train and write the model to the folder `made`."""
    schema = read_referenced(inputs.schema)
    raw = raw_features(schema, config.label, config.weight)
    module = user_code.load(inputs.module)
    transform = tft.TFTransformOutput(str(inputs.transform_graph))
    if hasattr(module, "run_fn") and not hasattr(module, "build_model"):
        label = _train_tfx(config, inputs, outputs, module)
        shutil.copytree(Path(outputs.model) / SERVING, made / SERVING)
    else:
        user_code.function(module, "build_model")
        label = _train_keras(config, inputs, outputs, module, made)
    if label.source == "transformed":
        save_label_graph(transform, trained_name(config, transform), made)
    write_label(made / SERVING, label)
    features = Features(tuple(one.feature for one in raw), label.name, label.task, label.classes)
    write_served(made / SERVING, features, inputs.examples, schema)


def _train_keras(config: Config, inputs: Inputs, outputs: Outputs, module: ModuleType, made: Path) -> TrainedLabel:
    schema = read_referenced(inputs.schema)
    transform = tft.TFTransformOutput(str(inputs.transform_graph))
    classes = made_by_training(config, schema, Path(inputs.examples), transform.transformed_feature_spec())
    fitting.seed_everything(config)
    model = _built(module.build_model, transform, config, inputs, classes)
    vocabularies = Path(transform.transform_savedmodel_dir) / "assets"
    taken = (
        warm_start(model, vocabularies, inputs.registry, inputs.champion)
        if config.warm_start and inputs.champion
        else []
    )
    layer = transform.transform_features_layer()
    observed = Observed(config, classes)
    with tempfile.TemporaryDirectory(prefix="rows-") as temporary:
        features = _features(model, transform, config.label)
        recipe = Recipe(schema, layer, config.label, features, observed.number, config.weight)
        training, validation = _rows(config, inputs, recipe, Path(temporary))
        width = output_width(model, training)
        fitting.check_labels(training, "train", config.task, width)
        fitting.check_labels(validation, "validation", config.task, width)
        in_raw_unit = check_inverse(module, observed, config, transform)
        label = observed.result(width, in_raw_unit=in_raw_unit)
        weigh_classes(config, label, training, validation)
        fitted = fitting.fit(model, training, validation, config, Path(outputs.model) / CHECKPOINT)
    label = replace(label, output=config.model_output)
    how = answer(module, model, label, transform)
    export.export(model, layer, raw_features(schema, config.label, config.weight), how, made / SERVING)
    save_weights(model, made / SERVING)
    facts = {"rows": len(training), "validation rows": len(validation), "warm-started weights": len(taken)}
    _report(fitted, model, facts, outputs._replace(model=made))
    return replace(label, output="probabilities" if how.finish is not tf.identity else config.model_output)


def _built(
    build_model: Any, transform: tft.TFTransformOutput, config: Config, inputs: Inputs, made: Classes | None
) -> keras.Model:
    rows = training_rows(inputs.examples, "train") or ExamplesManifest.read(inputs.examples).records("train")
    steps = -(-rows // config.batch_size) * config.epochs
    known = {"train_steps": steps} if made is None else {"train_steps": steps, "classes": list(made.names)}
    model = build_model(transform, known | config.hyperparameters)
    if not isinstance(model, keras.Model) or getattr(model, "optimizer", None) is None:
        raise TrainingError(
            f"build_model: wanted a compiled keras.Model, got {type(model).__name__}; compile it with optimizer and "
            "loss before returning it"
        )
    return model


def _features(model: keras.Model, transform: tft.TFTransformOutput, label: str) -> list[str]:
    """Return the model's input features; if they are unknown, all transformed features but the label."""
    return list(export.input_names(model) or (name for name in transform.transformed_feature_spec() if name != label))


def _rows(config: Config, inputs: Inputs, recipe: Recipe, folder: Path) -> tuple[Rows, Rows]:
    """Transform both splits once; the training rows get the memory first."""
    limit = config.memory_mib << 20
    splits = []
    for split in ("train", "validation"):
        blocks = recipe.columns(Path(inputs.examples), split, config.read_rows)
        splits.append(Rows(blocks, config.label, folder / split, limit))
    return splits[0], splits[1]


def _report(fitted: fitting.Fitted, model: keras.Model, facts: Mapping[str, float], outputs: Outputs) -> None:
    """Write `training.json`, the metrics and the picture."""
    best = {name: values[fitted.best_epoch - 1] for name, values in fitted.history.items()}
    summary = {
        **facts,
        "parameters": int(model.count_params()),
        "epochs": len(fitted.history["loss"]),
        "best epoch": fitted.best_epoch,
    }
    (Path(outputs.model) / TRAINING).write_text(
        json.dumps({**summary, "best": best, "history": fitted.history}, indent=2) + "\n", encoding="utf-8"
    )
    for name, value in best.items():
        outputs.log_metric(name, value)
    for name in ("rows", "epochs", "best epoch"):
        outputs.log_metric(name.replace(" ", "_"), float(summary[name]))
    curves.draw(outputs.pictures, fitted, summary)


def _train_tfx(config: Config, inputs: Inputs, outputs: Outputs, module: ModuleType) -> TrainedLabel:
    folder = Path(outputs.model)
    rows = ExamplesManifest.read(inputs.examples).records("train")
    if not rows:
        raise TrainingError(
            f"{inputs.examples}: wanted rows in the split 'train', got none; widen ingest_examples.window"
        )
    label = observe_run_fn(config, inputs)
    base_model = find(inputs.registry, inputs.champion).path if config.warm_start and inputs.champion else None
    schema = referenced_file(inputs.schema, folder)
    paths = run_fn.Paths(Path(inputs.examples), Path(inputs.transform_graph), schema, folder, base_model)
    run_fn.run(module.run_fn, config, paths)
    (folder / TRAINING).write_text(json.dumps({"rows": rows, "module": "run_fn"}, indent=2) + "\n", encoding="utf-8")
    outputs.log_metric("rows", float(rows))
    curves.draw_without_history(outputs.pictures, rows)
    return replace(label, output=config.model_output)


def observe_run_fn(config: Config, inputs: Inputs) -> TrainedLabel:
    """Find out how the transform changes the label of a `run_fn`; TrainingError for labels that cannot be trained on.

    The classes of a text label that is not transformed are unknown, unless the module's model returns them.
    """
    schema = read_referenced(inputs.schema)
    transform = tft.TFTransformOutput(str(inputs.transform_graph))
    name = trained_name(config, transform)
    spec = transform.transformed_feature_spec().get(name)
    is_text = any(f.name == config.label and f.type == schema_pb2.BYTES for f in schema.feature)
    is_transformed = spec is not None and spec.dtype != tf.string and config.run_fn.examples == "transformed"
    if is_text and not is_transformed:
        return TrainedLabel(config.label, config.task)
    observed = Observed(config, None)
    layer = transform.transform_features_layer()
    made: Callable[[Any], Any] = (lambda raw: {config.label: layer(raw)[name]}) if is_transformed else lambda _: {}
    recipe = Recipe(schema, made, config.label, (), observed.number)
    blocks = recipe.columns(Path(inputs.examples), "train", config.read_rows)
    # Only labels are kept in memory, a few bytes per row, and nothing is written to disk.
    fitting.check_labels(Rows(blocks, config.label, Path(), sys.maxsize), "train", config.task, None)
    return observed.result(None, in_raw_unit=config.run_fn.answers == "raw")
