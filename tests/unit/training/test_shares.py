"""Processes with different numbers of rows report, and learn, what one process does that has all rows."""

from collections.abc import Iterator, Sequence
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from core.errors import TrainingError
from training.distributed.fitting import shared_step
from training.distributed.schedule import Schedule, chunks
from training.distributed.shares import check_losses
from training.rows import Block

SCHEDULE = Schedule((170, 31), 24)
"""Parts of very different sizes."""


def _rows(part: int) -> Iterator[Block]:
    numbers = np.arange(SCHEDULE.counts[part], dtype=np.float32)[:, None] / 100 + part
    yield {"x": numbers}, numbers * numbers, 1 + part + np.sin(numbers[:, 0])


class Kept(keras.optimizers.SGD):
    """Keeps the gradients that would be added to those of the other processes."""

    def __init__(self, variables: Sequence[Any]) -> None:
        super().__init__(0.0)
        self.build(variables)
        self.kept: list[float] = []

    def _backend_apply_gradients(self, grads: Sequence[Any], trainable_variables: Sequence[Any]) -> None:
        del trainable_variables
        self.kept.append(float(grads[0][0, 0]))


@pytest.fixture
def model() -> keras.Model:
    inputs = {"x": keras.Input((1,), name="x")}
    dense = keras.layers.Dense(1, kernel_initializer="ones", kernel_regularizer="l2")
    model = keras.Model(inputs, dense(inputs["x"]))
    model.compile(
        Kept(model.trainable_variables),
        loss="mse",
        metrics=[keras.metrics.MeanAbsoluteError(name="plain")],
        weighted_metrics=[keras.metrics.MeanAbsoluteError(name="weighted"), keras.metrics.R2Score(name="r2")],
    )
    return model


def _run(model: keras.Model, own: Sequence[int], processes: int) -> tuple[dict[str, Any], list[float]]:
    """Return the variables of the metrics after an epoch, and the gradient of each step."""
    model.reset_metrics()
    model.optimizer.kept.clear()
    for block, ends, shares in chunks(SCHEDULE, {part: _rows(part) for part in own}, processes, 100):
        for start, end, share in zip([0, *ends[:-1]], ends, shares, strict=True):
            batch = tf.nest.map_structure(lambda values, a=start, b=end: values[a:b], block)
            shared_step(model.train_step, batch, tf.constant(share))
    found = {variable.path: variable.numpy() for one in model.metrics for variable in one.variables}
    return found, list(model.optimizer.kept)


def test_loss_and_metrics_weighted_or_not_are_those_of_one_process(model: keras.Model) -> None:
    """TensorFlow adds the variables of metrics up over all processes."""
    alone, _ = _run(model, (0, 1), 1)
    halves = [_run(model, (part,), 2)[0] for part in (0, 1)]
    assert len(alone) > 6
    for name, value in alone.items():
        if "num_samples" not in name:  # a loop counter of R2Score
            np.testing.assert_allclose(halves[0][name] + halves[1][name], value, rtol=1e-4, err_msg=name)


def test_gradients_are_those_of_one_process(model: keras.Model) -> None:
    _, alone = _run(model, (0, 1), 1)
    halves = [_run(model, (part,), 2)[1] for part in (0, 1)]
    assert len(alone) == SCHEDULE.steps
    # In a strategy, Keras divides the loss by the number of processes.
    np.testing.assert_allclose([(one + other) / 2 for one, other in zip(*halves, strict=True)], alone, rtol=1e-4)


def test_outside_of_a_step_optimizers_are_keras_own() -> None:
    assert "apply" not in vars(keras.Optimizer)


def test_gradients_of_embeddings_have_their_share() -> None:
    embedding = keras.layers.Embedding(3, 1, embeddings_initializer="zeros")
    model = keras.Sequential([keras.Input((1,)), embedding, keras.layers.Flatten()])
    model.compile(keras.optimizers.SGD(1.0), "mse")
    batch = (tf.constant([[1]]), tf.constant([[1.0]]))
    shared_step(model.train_step, batch, tf.constant(0.25))
    np.testing.assert_allclose(embedding.embeddings.numpy()[:, 0], [0, 0.5, 0])


@pytest.mark.parametrize("reduction", ["sum", "mean_with_sample_weight"])
def test_a_loss_that_cannot_be_added_up_is_named(model: keras.Model, reduction: str) -> None:
    model.compile(loss={"dense": keras.losses.MeanSquaredError(reduction=reduction, name="squares")})
    with pytest.raises(TrainingError, match=f"sum_over_batch_size, got {reduction} for squares"):
        check_losses(model)
    model.compile(loss=keras.losses.MeanSquaredError())
    check_losses(model)
