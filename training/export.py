"""Exports a trained model with its transform as one SavedModel that takes raw features or serialized tf.Examples."""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from adapters import tf_save
from adapters.dense_entry import DenseEntry
from adapters.tft import layer as tft_layer
from artifacts.model.rows import Row
from core.errors import TrainingError
from core.problem import Task
from problems import kind
from training.explanations import InGraph
from training.raw_features import RawFeature

Tensors = Mapping[str, Any]
Transform = Callable[[Tensors], Tensors]
"""tf.Transform's layer: raw features to transformed ones."""


class Background(NamedTuple):
    """What a signature `explain` is made of."""

    rows: tuple[Row, ...]
    """Raw rows of the training."""
    pairs: int
    """Antithetic pairs of walks."""


class Answer(NamedTuple):
    """How the model's output becomes predictions."""

    task: Task
    classes: tuple[str, ...] = ()
    """Names of the classes in the order of the scores; their numbers are used when empty."""
    finish: Callable[[tf.Tensor], tf.Tensor] = tf.identity
    """Converts the model's output, [rows, K], to predictions: logits to probabilities, a transformed label to the raw
    label's unit."""
    background: Background | None = None
    """None for a model without a signature `explain`."""


def export(
    model: keras.Model, transform: Transform, features: Sequence[RawFeature], answer: Answer, folder: Path
) -> None:
    """Write the SavedModel; raises as `Export` and its methods do."""
    Export(model, transform, features, answer).write(folder)


class Export:
    """A SavedModel of a model that may still be trained: its functions read the weights, which are written at the end.

    Signatures: those of the kind of problem, and `transform_features`. `serving_default` takes the tensors of each raw
    feature and returns `predictions`, [rows, K]; the others take serialized tf.Examples. With background rows there is
    `explain` too, which takes what `serving_default` does.
    """

    def __init__(
        self, model: keras.Model, transform: Transform, features: Sequence[RawFeature], answer: Answer
    ) -> None:
        """Name the functions; TrainingError for background rows that cannot explain anything."""
        self._model = model
        # What the functions read. Functions in it would be written once more than signatures, and some be traced again.
        self._module = tf.Module()
        self._module.transform = tft_layer.resources(transform)
        served = _Served(model, transform, features, answer)
        offered = {"serving_default": served.predict_raw, "classify": served.classify, "regress": served.regress}
        self._signatures = {name: offered[name] for name in kind(answer.task).signatures}
        self._signatures["transform_features"] = served.transform_examples
        if answer.background is not None:
            self._signatures["explain"] = served.explains(answer.background)

        self._made: tf_save.Made | None = None

    def prepare(self) -> None:
        """Do all but writing, most of an export's time; `write` does what was not done.

        Raises TrainingError when the model has an input that cannot be computed from a request.
        """
        # Variables only: TensorFlow would trace a tracked Keras model again, for functions that are never called.
        self._module.weights = [weight.value for weight in self._model.variables]
        self._made = tf_save.make(self._module, self._signatures)

    def write(self, folder: Path) -> None:
        """Write functions and weights; raises as `prepare` does."""
        if self._made is None:
            self.prepare()
        made, self._made = self._made, None  # TensorFlow takes it apart when it is written
        tf_save.save(self._module, folder, self._signatures, made)


class _Served:
    """The signatures' functions, and those that they share."""

    def __init__(
        self, model: keras.Model, transform: Transform, features: Sequence[RawFeature], answer: Answer
    ) -> None:
        columns = {feature.name: feature.column_spec() for feature in features}
        self._transformed = _function(lambda raw: dict(transform(raw)), columns)
        dense = [one.name for one in features if one.may_be_dense]
        self._cut = partial(DenseEntry.of, transform, columns, dense)
        # Traced once for both ways to transformed features.
        self._scores = tf.function(partial(_scores, model, answer.finish), autograph=False)
        self._predict = _function(lambda raw: self._scores(self._transformed(raw)), columns)
        self._features = tuple(features)
        self._gives_one_score = kind(answer.task).gives_one_score
        self._classes = answer.classes
        examples = tf.TensorSpec([None], tf.string, name="examples")
        request = {name: spec for feature in features for name, spec in feature.request_specs().items()}
        self._request = request
        # A function of its own, so that it is traced and written once for all that take examples.
        self._parsed = _function(self._parse, examples)
        self.predict_raw = _function(self._predict_raw, request)
        self.classify = _function(self._classify, examples)
        self.regress = _function(self._regress, examples)
        self.transform_examples = _function(self._transform_examples, examples)

    @cached_property
    def _entry(self) -> DenseEntry | None:
        """The transform's entry for dense values; cut by the first trace, beside the epochs."""
        with tf.init_scope():
            return self._cut()

    def explains(self, background: Background) -> Any:
        """Return the function of the signature `explain`; TrainingError as `InGraph` raises it."""
        features = [feature.feature for feature in self._features]
        in_graph = InGraph(lambda request: self._predict_raw(request)["predictions"], features, *background)
        self.explain = _function(in_graph, self._request)
        return self.explain

    def _predict_raw(self, request: Tensors) -> Tensors:
        entry = self._entry
        if entry is None:
            return {"predictions": self._predict({one.name: one.from_request(request) for one in self._features})}
        dense = [one for one in self._features if one.name in entry.features]
        columns = {one.name: one.from_request(request) for one in self._features if one.name not in entry.features}
        values = {one.name: request[one.feature.tensor] for one in dense}
        counts = {one.name: request[one.feature.count] for one in dense}
        return {"predictions": self._scores(entry(columns, values, counts))}

    def _classify(self, examples: tf.Tensor) -> Tensors:
        scores = self._predict(self._parsed(examples))
        if self._gives_one_score:
            scores = tf.concat([1 - scores, scores], axis=1)
        numbers = tf.strings.as_string(tf.range(tf.shape(scores)[1]))
        classes = tf.constant(self._classes) if self._classes else numbers
        return {"classes": tf.tile(classes[tf.newaxis], [tf.shape(scores)[0], 1]), "scores": scores}

    def _regress(self, examples: tf.Tensor) -> Tensors:
        return {"outputs": self._predict(self._parsed(examples))[:, 0]}

    def _transform_examples(self, examples: tf.Tensor) -> Tensors:
        return self._transformed(self._parsed(examples))  # type: ignore[no-any-return]

    def _parse(self, examples: tf.Tensor) -> Tensors:
        parsed = tf.io.parse_example(examples, {feature.name: feature.parser() for feature in self._features})
        return {feature.name: feature.from_example(parsed[feature.name]) for feature in self._features}


def _function(call: Callable[..., Any], specs: Any) -> Any:
    """Make a function that is traced once, without AutoGraph, as Keras' own export does.

    AutoGraph would first rewrite the code of Keras that is called, which takes most of the time of an export.
    """
    return tf.function(call, input_signature=[specs], autograph=False)


def _scores(model: keras.Model, finish: Callable[[tf.Tensor], tf.Tensor], transformed: Tensors) -> tf.Tensor:
    """Return the predictions for transformed features, float32 [rows, K]."""
    names = input_names(model) or tuple(transformed)
    missing = [name for name in names if name not in transformed]
    if missing:
        raise TrainingError(
            f"the model's inputs {', '.join(missing)} cannot be computed by preprocessing_fn from a request, which has "
            "no label, no weight and no feature that the schema excludes from SERVING"
        )
    output = model({name: transformed[name] for name in names}, training=False)
    if output.shape.rank != 2:
        output = tf.reshape(output, [tf.shape(output)[0], -1])
    return tf.cast(finish(output), tf.float32)


def input_names(model: keras.Model) -> tuple[str, ...] | None:
    """Return the names of a model's inputs; None for a subclassed model, whose inputs are unknown."""
    inputs = getattr(model, "_inputs_struct", None)
    if isinstance(inputs, dict):
        return tuple(inputs)
    return tuple(tensor.name for tensor in model.inputs) if getattr(model, "inputs", None) else None
