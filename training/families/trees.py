"""Boosted trees: trained by scikit-learn, exported as a Keras model over the same inputs as the other families."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import keras
import numpy as np
import numpy.typing as npt
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from threadpoolctl import threadpool_limits

from core.errors import TrainingError
from core.problem import Task
from problems import kind
from training.families.forest import Forest, trees_of
from training.families.model_inputs import ModelInputs
from training.families.nets import Tensors
from training.rows import Rows

DEFAULTS: Mapping[str, Any] = {
    "trees": 60, "leaves": 31, "learning_rate": 0.1, "min_rows": 20, "l2": 0.0, "words": 256,
}  # fmt: skip
"""Hyperparameters: most boosting iterations, leaves of a tree, rows of a leaf, and the commonest words of a text that
are columns."""
Values = npt.NDArray[np.floating[Any]]


class Grown(NamedTuple):
    """A trained model of trees."""

    model: keras.Model
    history: dict[str, list[float]]
    """Per iteration: `val_loss`."""
    best: int
    """The iteration, from 1, after which the trees end."""
    values: int
    """Numbers that the trees consist of."""


def unfit(inputs: ModelInputs) -> str:
    """Return why there can be no trees of these inputs; "" when there can."""
    return "" if inputs.names else "there is no dense numeric feature"


def grow(
    inputs: ModelInputs, task: Task, rows: tuple[Rows, Rows], hyperparameters: Mapping[str, Any], seed: int
) -> Grown:
    """Train on the first rows, and end the trees where the loss on the second ones is lowest.

    One thread: on a loaded machine two threads of OpenMP wait for each other, which took 237 seconds instead of 19.
    """
    chosen = {**DEFAULTS, **hyperparameters}
    columns = _columns(inputs, int(chosen["words"]))
    problem = kind(task)
    training, validation = (_matrix(columns, one) for one in rows)
    estimator = HistGradientBoostingClassifier if problem.has_classes else HistGradientBoostingRegressor
    trees = estimator(
        max_iter=int(chosen["trees"]),
        max_leaf_nodes=int(chosen["leaves"]),
        learning_rate=float(chosen["learning_rate"]),
        min_samples_leaf=int(chosen["min_rows"]),
        l2_regularization=float(chosen["l2"]),
        early_stopping=False,
        random_state=seed,
    )
    with threadpool_limits(limits=1):
        trees.fit(training.matrix, training.labels, sample_weight=training.weights)
        losses = [_loss(task, predicted, validation) for predicted in _staged(trees, task, validation.matrix)]
    if not np.isfinite(losses).all():
        raise TrainingError("trees: wanted a finite loss on the split 'validation', got NaN or infinity")
    best = int(np.argmin(losses)) + 1
    model, values = _exported(inputs, columns, task, trees, best)
    return Grown(model, {"loss": losses, "val_loss": losses}, best, values)


def matrix_of(
    inputs: ModelInputs, read: Callable[[keras.Model], Rows], words: int = 256
) -> tuple[Values, npt.NDArray[Any]]:
    """Return the matrix that trees see and the labels, [rows, columns] and [rows]; `read` reads a model's rows."""
    columns = _columns(inputs, words)
    found = _matrix(columns, read(columns))
    return found.matrix, found.labels


class _Table(NamedTuple):
    matrix: Values
    labels: npt.NDArray[Any]
    weights: Values | None


def _columns(inputs: ModelInputs, words: int) -> keras.Model:
    """Return a model that makes the matrix that trees see, in training and in serving: [rows, columns]."""
    tensors = Tensors(inputs)
    parts = [*tensors.dense]
    parts += [keras.ops.cast(tensors.by_name[name], "float32") for name in inputs.categories]
    for name in inputs.texts:
        index, is_word = tensors.words(name)
        kept = keras.ops.where(keras.ops.logical_and(is_word > 0, index <= words), index, 0)
        parts.append(keras.ops.sum(keras.ops.one_hot(kept, words + 1, dtype="float32"), axis=1)[:, 1:])
    matrix = parts[0] if len(parts) == 1 else keras.layers.Concatenate(name="columns")(parts)
    return keras.Model(tensors.by_name, matrix)


def _matrix(columns: keras.Model, rows: Rows) -> _Table:
    names = [tensor.name for tensor in columns.inputs]
    matrices, labels, weights = [], [], []
    for features, label, *weight in rows.blocks():
        matrices.append(np.asarray(columns({name: features[name] for name in names}), np.float32))
        labels.append(label.reshape(-1))
        weights += weight
    matrix, target = np.concatenate(matrices), np.concatenate(labels)
    if not weights:
        return _Table(matrix, target, None)
    joined = np.concatenate(weights).reshape(-1)
    counts = joined > 0  # a row without weight would still count as one of a leaf's rows
    return _Table(matrix[counts], target[counts], joined[counts])


def _staged(trees: Any, task: Task, matrix: Values) -> Any:
    return trees.staged_predict_proba(matrix) if kind(task).has_classes else trees.staged_predict(matrix)


def _loss(task: Task, predicted: Values, table: _Table) -> float:
    """Return the (weighted) mean loss: of classes the negative logarithm of the right one's probability."""
    if kind(task).has_classes:
        right = predicted[np.arange(len(predicted)), table.labels.astype(np.int64)]
        losses = -np.log(np.clip(right, 1e-7, 1))
    else:
        losses = (predicted - table.labels) ** 2
    return float(np.average(losses, weights=table.weights))


def _exported(inputs: ModelInputs, columns: keras.Model, task: Task, trees: Any, best: int) -> tuple[keras.Model, int]:
    found = trees_of(trees, best)
    tensors = {tensor.name: tensor for tensor in columns.inputs}
    sums = Forest(found, name="trees")(columns.output)
    if kind(task).has_classes:
        activation = "sigmoid" if kind(task).gives_one_score else "softmax"
        sums = keras.layers.Activation(activation, name="prediction")(sums)
    model = keras.Model({name: tensors[name] for name in inputs.names}, sums, name="trees")
    model.compile(loss="mean_squared_error", jit_compile=False)
    return model, found.values
