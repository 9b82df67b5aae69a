"""Keras models of each family, built from the inputs alone; all end in probabilities, or in the label's unit."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import keras

from core.problem import Task
from problems import kind
from training.families.model_inputs import ModelInputs, Picture, Text

Hyperparameters = Mapping[str, Any]
MOST_CROSSED = 20_000
"""Cells of the largest cross of two categories."""


class Target(NamedTuple):
    """What a model predicts."""

    task: Task
    width: int
    """Number of classes; 1 for two classes and for a number."""
    train_steps: int
    """Optimizer steps of the whole training, over which the learning rate falls to nothing."""


class Net(NamedTuple):
    """A family of Keras models."""

    defaults: Mapping[str, Any]
    """Its hyperparameters."""
    unfit: Callable[[ModelInputs], str]
    """Returns why the family cannot be built of these inputs; "" when it can."""
    logits: Callable[["Tensors", int, Hyperparameters], Any]
    """Returns the sum before the last activation, [rows, width]."""


class Tensors:
    """The inputs of one model as the parts that families are made of."""

    def __init__(self, inputs: ModelInputs) -> None:
        self.inputs = inputs
        self.by_name = inputs.tensors()
        self.index = {
            name: keras.ops.clip(self.by_name[name], -1, size - 1) + 1 for name, size in inputs.categories.items()
        }
        """Category -> [rows, 1], 0 for an unknown value."""

    @property
    def dense(self) -> list[Any]:
        """Numbers and vectors, each [rows, n]."""
        return [self.by_name[name] for name in (*self.inputs.numbers, *self.inputs.vectors, *self.inputs.pictures)]

    def words(self, name: str) -> tuple[Any, Any]:
        """Return a text's indices from 0, and 1.0 where there is a word: [rows, length] each."""
        text: Text = self.inputs.texts[name]
        given = self.by_name[name]
        known = keras.ops.clip(given, -1, text.words - 1) + 1
        is_word = keras.ops.ones_like(given) if text.padding is None else keras.ops.not_equal(given, text.padding)
        return known, keras.ops.cast(is_word, "float32")

    def looked_up(self, name: str, width: int, what: str) -> Any:
        """Return a category's row of a table, [rows, width]."""
        start = "zeros" if what == "weights" else "uniform"
        table = keras.layers.Embedding(
            self.inputs.categories[name] + 1, width, embeddings_initializer=start, name=f"{name}_{what}"
        )
        return keras.layers.Flatten(name=f"{name}_{what}_flat")(table(self.index[name]))

    def crossed(self, one: str, other: str, width: int, penalty: float) -> Any:
        """Return the weights of a pair of categories, [rows, width]."""
        sizes = self.inputs.categories
        cells = (sizes[one] + 1) * (sizes[other] + 1)
        table = keras.layers.Embedding(
            cells,
            width,
            embeddings_initializer="zeros",
            embeddings_regularizer=keras.regularizers.L2(penalty),
            name=f"{one}_x_{other}",
        )
        index = self.index[one] * (sizes[other] + 1) + self.index[other]
        return keras.layers.Flatten(name=f"{one}_x_{other}_flat")(table(index))


def build(family: str, inputs: ModelInputs, target: Target, hyperparameters: Hyperparameters) -> keras.Model:
    """Build and compile a family's model; missing hyperparameters are the family's defaults."""
    net = NETS[family]
    chosen = {**net.defaults, **hyperparameters}
    tensors = Tensors(inputs)
    output = finish(net.logits(tensors, target.width, chosen), target, inputs)
    model = keras.Model(tensors.by_name, output, name=family)
    rate = keras.optimizers.schedules.CosineDecay(float(chosen["learning_rate"]), max(1, target.train_steps))
    model.compile(optimizer=keras.optimizers.Adam(rate), loss=loss_of(target.task), jit_compile=False)
    return model


def finish(logits: Any, target: Target, inputs: ModelInputs) -> Any:
    """Return probabilities, or for a number the mean of the label plus so many standard deviations."""
    problem = kind(target.task)
    if not problem.has_classes:
        return keras.layers.Rescaling(inputs.deviation, inputs.mean, name="prediction")(logits)
    activation = "sigmoid" if problem.gives_one_score else "softmax"
    return keras.layers.Activation(activation, name="prediction")(logits)


def loss_of(task: Task) -> str:
    """Return the name of the Keras loss of a kind of problem."""
    if not kind(task).has_classes:
        return "mean_squared_error"
    return "binary_crossentropy" if kind(task).gives_one_score else "sparse_categorical_crossentropy"


def _summed(parts: list[Any]) -> Any:
    return parts[0] if len(parts) == 1 else keras.layers.Add(name="logits")(parts)


def _joined(parts: list[Any], name: str) -> Any:
    return parts[0] if len(parts) == 1 else keras.layers.Concatenate(name=name)(parts)


def _linear_parts(tensors: Tensors, width: int) -> list[Any]:
    parts = [tensors.looked_up(name, width, "weights") for name in tensors.inputs.categories]
    parts += [_bag(tensors, name, width) for name in tensors.inputs.texts]
    dense = keras.layers.Dense(width, kernel_initializer="zeros", name="weights")
    if tensors.dense:
        parts.append(dense(_joined(tensors.dense, "dense")))
    return parts


def _bag(tensors: Tensors, name: str, width: int) -> Any:
    """Return the mean weight of the words of a text, [rows, width]."""
    index, is_word = tensors.words(name)
    table = keras.layers.Embedding(
        tensors.inputs.texts[name].words + 1, width, embeddings_initializer="zeros", name=f"{name}_weights"
    )
    weights = table(index) * is_word[..., None]
    count = keras.ops.sum(is_word, axis=1, keepdims=True)
    return keras.ops.sum(weights, axis=1) / keras.ops.sqrt(count + 1.0)


def _linear(tensors: Tensors, width: int, hyperparameters: Hyperparameters) -> Any:  # noqa: ARG001 - one of several
    return _summed(_linear_parts(tensors, width))


def pairs(inputs: ModelInputs, most: int) -> list[tuple[str, str]]:
    """Return the pairs of categories with the fewest cells, at most `most`, in the order of the features."""
    names = list(inputs.categories)
    found = [(one, other) for place, one in enumerate(names) for other in names[place + 1 :]]
    cells = {pair: (inputs.categories[pair[0]] + 1) * (inputs.categories[pair[1]] + 1) for pair in found}
    smallest = sorted((pair for pair in found if cells[pair] <= MOST_CROSSED), key=lambda pair: cells[pair])[:most]
    return [pair for pair in found if pair in smallest]


def _wide(tensors: Tensors, width: int, hyperparameters: Hyperparameters) -> Any:
    crosses = [
        tensors.crossed(one, other, width, float(hyperparameters["l2"]))
        for one, other in pairs(tensors.inputs, int(hyperparameters["crosses"]))
    ]
    return _summed([*_linear_parts(tensors, width), *crosses])


def _deep(tensors: Tensors, width: int, hyperparameters: Hyperparameters) -> Any:
    size = int(hyperparameters["embedding"])
    parts = [tensors.looked_up(name, size, "embedding") for name in tensors.inputs.categories]
    parts += [part for name in tensors.inputs.texts for part in _pooled(tensors, name, size)]
    return _layers(_joined([*parts, *tensors.dense], "deep"), width, hyperparameters)


def _layers(hidden: Any, width: int, hyperparameters: Hyperparameters) -> Any:
    for layer, units in enumerate(hyperparameters["hidden_units"]):
        hidden = keras.layers.Dense(int(units), activation="relu", name=f"hidden_{layer}")(hidden)
        hidden = keras.layers.Dropout(float(hyperparameters["dropout"]), name=f"dropout_{layer}")(hidden)
    return keras.layers.Dense(width, name="deep_logits")(hidden)


def _wide_and_deep(tensors: Tensors, width: int, hyperparameters: Hyperparameters) -> Any:
    wide = _wide(tensors, width, hyperparameters)
    return keras.layers.Add(name="wide_and_deep")([wide, _deep(tensors, width, hyperparameters)])


def _convolutional(tensors: Tensors, width: int, hyperparameters: Hyperparameters) -> Any:
    parts = []
    for name, size in tensors.inputs.pictures.items():
        parts.append(_strokes(name, tensors.by_name[name], size, hyperparameters))
    parts += [tensors.looked_up(name, 4, "embedding") for name in tensors.inputs.categories]
    parts += [tensors.by_name[name] for name in (*tensors.inputs.numbers, *tensors.inputs.vectors)]
    hidden = keras.layers.Dropout(float(hyperparameters["dropout"]), name="dropout")(_joined(parts, "found"))
    return keras.layers.Dense(width, name="convolutional_logits")(hidden)


def _strokes(name: str, pixels: Any, size: Picture, hyperparameters: Hyperparameters) -> Any:
    """Return what two convolutions and a pooling find, [rows, n]; larger pictures are pooled first to at most 32."""
    hidden = keras.layers.Reshape(tuple(size), name=f"{name}_picture")(pixels)
    pooled = -(-size.height // 32)
    if pooled > 1:
        hidden = keras.layers.AveragePooling2D(pooled, name=f"{name}_smaller")(hidden)
    for layer in range(2):
        hidden = keras.layers.Conv2D(
            int(hyperparameters["filters"]), 3, padding="same", activation="relu", name=f"{name}_strokes_{layer}"
        )(hidden)
    return keras.layers.Flatten(name=f"{name}_flat")(keras.layers.MaxPooling2D(name=f"{name}_pooled")(hidden))


def _pooled(tensors: Tensors, name: str, width: int) -> list[Any]:
    """Return the mean and the largest values of a text's word vectors, [rows, width] each."""
    index, is_word = tensors.words(name)
    table = keras.layers.Embedding(tensors.inputs.texts[name].words + 1, width, name=f"{name}_embedding")
    vectors = table(index) * is_word[..., None]
    count = keras.ops.sum(is_word, axis=1, keepdims=True)
    return [keras.ops.sum(vectors, axis=1) / (count + 1.0), keras.ops.max(vectors, axis=1)]


def _any_input(inputs: ModelInputs) -> str:
    return "" if inputs.names else "there is no dense numeric feature"


def _two_categories(inputs: ModelInputs) -> str:
    return "" if pairs(inputs, 1) else "there are no two categories to cross"


def _no_text_or_picture(inputs: ModelInputs) -> str:
    if inputs.texts or inputs.pictures:
        return "texts and pictures have families of their own"
    return _any_input(inputs)


_DEEP = {"hidden_units": (64, 32), "embedding": 4, "dropout": 0.3, "learning_rate": 0.003}
_WIDE = {"crosses": 6, "l2": 1e-5, "learning_rate": 0.01}
NETS: Mapping[str, Net] = {
    "linear": Net({"learning_rate": 0.01}, lambda inputs: "a text is a bag of words" if inputs.texts else "", _linear),
    "wide": Net(_WIDE, _two_categories, _wide),
    "deep": Net(_DEEP, _no_text_or_picture, _deep),
    "wide_and_deep": Net(_WIDE | _DEEP, lambda one: _two_categories(one) or _no_text_or_picture(one), _wide_and_deep),
    "convolutional": Net(
        {"filters": 32, "dropout": 0.4, "learning_rate": 0.002},
        lambda inputs: "" if inputs.pictures else "there is no picture",
        _convolutional,
    ),
    "bag_of_words": Net({"learning_rate": 0.05}, lambda inputs: "" if inputs.texts else "there is no text", _linear),
    "embedding": Net(
        {"hidden_units": (16,), "embedding": 16, "dropout": 0.3, "learning_rate": 0.005},
        lambda inputs: "" if inputs.texts else "there is no text",
        _deep,
    ),
}
"""Family -> how it is built."""
