"""Converts a trained model's output to predictions, and writes the graph of a label that the transform computes."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import keras
import numpy as np
import tensorflow as tf
import tensorflow_transform as tft

from adapters import tf_save
from adapters.tft import layer as tft_layer
from artifacts.model.label import LABEL_GRAPH, LABEL_OUTPUT
from core.errors import TrainingError, did_you_mean
from core.problem import ModelOutput
from problems import kind
from problems.labels import TrainedLabel
from training.export import Answer
from training.labels import Observed
from training.rows import Rows
from training.settings import TrainingSettings

_TEMPLATE_SUFFIX = "_xf"
"""Suffix of transformed features in TFX's templates."""
INVERSE = "label_to_business_unit"
"""Name of a module's function that converts a regression's trained label to the raw label's unit."""


def output_width(model: keras.Model, rows: Rows) -> int | None:
    """Return the number of values that a model returns per row; None for a model with several outputs."""
    shape = getattr(model, "output_shape", None) if getattr(model, "outputs", None) else None
    if shape is None and len(rows):
        features = {name: tf.constant(values) for name, values in rows.example()[0].items()}
        output = model(features, training=False)
        shape = tuple(output.shape) if isinstance(output, tf.Tensor) else None
    if not isinstance(shape, tuple) or not all(size is None or isinstance(size, int) for size in shape):
        return None
    return int(np.prod([size or 1 for size in shape[1:]]))


def answer(module: ModuleType, model: keras.Model, label: TrainedLabel, transform: tft.TFTransformOutput) -> Answer:
    """Return how output becomes predictions: probabilities for classes, the raw unit if the module has INVERSE."""
    inverse = getattr(module, INVERSE, None)
    if not kind(label.task).has_classes:
        if inverse is None:
            return Answer(label.task)
        return Answer(label.task, finish=tf.function(lambda output: inverse(output, transform)))
    if not gives_logits(model, label.output):
        return Answer(label.task, label.classes)
    finish = tf.sigmoid if kind(label.task).gives_one_score else tf.nn.softmax
    return Answer(label.task, label.classes, finish)


def gives_logits(model: keras.Model, declared: ModelOutput) -> bool:
    """Whether a classifier returns logits: declared, or trained with a loss from logits."""
    if declared != "auto":
        return declared == "logits"
    loss = getattr(model, "loss", None)
    config = loss.get_config() if isinstance(loss, keras.losses.Loss) else {}
    return bool(config.get("from_logits", False))


def check_inverse(module: ModuleType, observed: Observed, settings: TrainingSettings, transform: Any) -> bool:
    """Whether the module has INVERSE; TrainingError when that does not return the raw label."""
    inverse: Callable[..., tf.Tensor] | None = getattr(module, INVERSE, None)
    if inverse is None or kind(settings.task).has_classes or observed.sample is None:
        return False
    raw, trained = observed.sample
    found = np.asarray(inverse(tf.constant(trained[:, None], tf.float32), transform)).reshape(-1)
    close = np.isclose(found, raw, rtol=1e-3, atol=1e-3 * float(np.std(raw)))
    if not close.all():
        worst = int(np.argmax(np.abs(found - raw)))
        raise TrainingError(
            f"{INVERSE}: wanted the raw label {settings.label!r} back from the transformed one, "
            f"got {found[worst]:.6g} for {raw[worst]:.6g} (transformed: {trained[worst]:.6g}); correct it in module.py"
        )
    return True


def trained_name(label: str, transform: tft.TFTransformOutput, named: str = "") -> str:
    """Return the transformed feature that is the label; TrainingError when `run_fn.label`, `named`, does not exist."""
    known = transform.transformed_feature_spec()
    if named and named not in known:
        raise TrainingError(
            f"train_model.run_fn.label: wanted a feature that preprocessing_fn returns, got {named!r}"
            f"{did_you_mean(named, known)}"
        )
    by_template = f"{label}{_TEMPLATE_SUFFIX}"
    return named or (by_template if label not in known and by_template in known else label)


def save_label_graph(transform: tft.TFTransformOutput, label: str, folder: Path) -> None:
    """Write the graph that computes the label from serialized tf.Examples."""
    module = tf.Module()
    layer = transform.transform_features_layer()
    module.transform = tft_layer.resources(layer)
    spec = transform.raw_feature_spec()

    def read(examples: tf.Tensor) -> dict[str, tf.Tensor]:
        found = layer(tf.io.parse_example(examples, spec))[label]
        dense = found.values if isinstance(found, tf.SparseTensor) else found
        return {LABEL_OUTPUT: tf.reshape(tf.cast(dense, tf.float64), [-1])}

    examples = tf.TensorSpec([None], tf.string, name="examples")
    module.read = tf.function(read, input_signature=[examples], autograph=False)
    tf_save.save(module, folder / LABEL_GRAPH, {"serving_default": module.read})
