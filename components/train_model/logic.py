"""Train what the user's module defines, and leave a SavedModel behind only when it deserves one."""

import json
import logging
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import keras
import tensorflow_transform as tft

from artifacts.examples.manifest import ExamplesManifest
from artifacts.schema.schema_file import read_schema
from components.train_model import curves, export, fitting, run_fn
from components.train_model.config import Config
from components.train_model.raw_features import raw_features, write_features
from components.train_model.rows import Recipe, Rows
from components.train_model.warm_start import save_weights, warm_start
from core import user_code
from core.backends.registry import find
from core.errors import TrainingError

log = logging.getLogger(__name__)
SERVING = "Format-Serving"
CHECKPOINT = "checkpoint.npz"
"""There while a training goes; it is gone when the model is exported."""


class Inputs(NamedTuple):
    """What a model is trained from: references of the module and the schema, folders, and the champion in its registry."""

    module: str
    schema: str
    examples: Path | str
    transform_graph: Path | str
    champion: str = ""
    registry: str = ""


class Outputs(NamedTuple):
    """Where a training leaves its model, numbers and picture."""

    model: Path | str
    log_metric: Callable[[str, float], None]
    pictures: Path | str


def train(config: Config, inputs: Inputs, outputs: Outputs) -> None:
    """Train with the module's `build_model`, or else its `run_fn`.

    Raises TrainingError, and leaves no SavedModel, for no rows, one class or a loss that is not finite; MlopsError when the
    module has neither function. What the user's functions raise passes through.
    """
    model_folder = Path(outputs.model)
    model_folder.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(model_folder / SERVING, ignore_errors=True)
    schema = read_schema(user_code.resolve(inputs.schema))
    module = user_code.load(inputs.module)
    build_model = getattr(module, "build_model", None)
    if build_model is None and hasattr(module, "run_fn"):
        _train_tfx(config, inputs, outputs, module.run_fn)
    else:
        build_model = user_code.function(module, "build_model")
        _train_keras(config, inputs, outputs, build_model)
    features = raw_features(schema, config.label)
    write_features(model_folder / SERVING / "assets.extra" / "features.json", features, config.label, config.task)


def _train_keras(config: Config, inputs: Inputs, outputs: Outputs, build_model: Any) -> None:
    schema = read_schema(user_code.resolve(inputs.schema))
    raw = raw_features(schema, config.label)
    transform = tft.TFTransformOutput(str(inputs.transform_graph))
    fitting.seed_everything(config)
    model = _built(build_model, transform, config, inputs)
    vocabularies = Path(transform.transform_savedmodel_dir) / "assets"
    taken = (
        warm_start(model, vocabularies, inputs.registry, inputs.champion)
        if config.warm_start and inputs.champion
        else []
    )
    layer = transform.transform_features_layer()
    folder = Path(outputs.model)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".rows-") as temporary:
        recipe = Recipe(schema, layer, config.label, _features(model, transform, config.label))
        training, validation = _rows(config, inputs, recipe, Path(temporary))
        fitted = fitting.fit(model, training, validation, config, folder / CHECKPOINT)
    export.export(model, layer, raw, config.task, folder / SERVING)
    save_weights(model, folder / SERVING)
    (folder / CHECKPOINT).unlink(missing_ok=True)
    _report(
        fitted,
        model,
        {"rows": len(training), "validation rows": len(validation), "warm-started weights": len(taken)},
        outputs,
    )


def _built(build_model: Any, transform: tft.TFTransformOutput, config: Config, inputs: Inputs) -> keras.Model:
    rows = ExamplesManifest.read(inputs.examples).records("train")
    steps = -(-rows // config.batch_size) * config.epochs
    model = build_model(transform, {"train_steps": steps, **config.hyperparameters})
    if not isinstance(model, keras.Model) or getattr(model, "optimizer", None) is None:
        raise TrainingError(
            f"build_model: wanted a compiled keras.Model, got {type(model).__name__}; compile it with optimizer and loss before returning it"
        )
    return model


def _features(model: keras.Model, transform: tft.TFTransformOutput, label: str) -> list[str]:
    """Return the transformed features that the model takes; all of them but the label when it does not say."""
    return list(export.input_names(model) or (name for name in transform.transformed_feature_spec() if name != label))


def _rows(config: Config, inputs: Inputs, recipe: Recipe, folder: Path) -> tuple[Rows, Rows]:
    """Transform both splits once; the training rows get the memory first."""
    limit = config.memory_mib << 20
    splits = []
    for split in ("train", "validation"):
        blocks = recipe.columns(Path(inputs.examples), split, config.read_rows)
        splits.append(Rows(blocks, config.label, folder / split, limit))
        fitting.check_labels(splits[-1], split, config.task)
    return splits[0], splits[1]


def _report(fitted: fitting.Fitted, model: keras.Model, facts: dict[str, float], outputs: Outputs) -> None:
    """Write `training.json`, the metrics and the picture."""
    best = {name: values[fitted.best_epoch - 1] for name, values in fitted.history.items()}
    summary = {
        **facts,
        "parameters": int(model.count_params()),
        "epochs": len(fitted.history["loss"]),
        "best epoch": fitted.best_epoch,
    }
    (Path(outputs.model) / "training.json").write_text(
        json.dumps({**summary, "best": best, "history": fitted.history}, indent=2) + "\n", encoding="utf-8"
    )
    for name, value in best.items():
        outputs.log_metric(name, value)
    for name in ("rows", "epochs", "best epoch"):
        outputs.log_metric(name.replace(" ", "_"), float(summary[name]))
    curves.draw(outputs.pictures, fitted, summary)


def _train_tfx(config: Config, inputs: Inputs, outputs: Outputs, function: Any) -> None:
    folder = Path(outputs.model)
    rows = ExamplesManifest.read(inputs.examples).records("train")
    if not rows:
        raise TrainingError(
            f"{inputs.examples}: wanted rows in the split 'train', got none; widen ingest_examples.window"
        )
    base_model = find(inputs.registry, inputs.champion).path if config.warm_start and inputs.champion else None
    schema = user_code.resolve(inputs.schema)
    run_fn.run(
        function, config, run_fn.Places(Path(inputs.examples), Path(inputs.transform_graph), schema, folder, base_model)
    )
    (folder / "training.json").write_text(
        json.dumps({"rows": rows, "module": "run_fn"}, indent=2) + "\n", encoding="utf-8"
    )
    outputs.log_metric("rows", float(rows))
    curves.draw_without_history(outputs.pictures, rows)
