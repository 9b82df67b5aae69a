"""Of a training in several processes, the reported loss is the mean over the rows of all of them."""

from collections.abc import Iterator, Sequence

import keras
import numpy as np
import pytest
import tensorflow as tf

from training.distributed.fitting import counted_as
from training.distributed.schedule import Schedule, chunks
from training.rows import Block

SCHEDULE = Schedule((170, 31), 24)
"""Parts of very different sizes."""


def _rows(part: int) -> Iterator[Block]:
    numbers = np.arange(SCHEDULE.counts[part], dtype=np.float32)[:, None] / 100 + part
    yield {"x": numbers}, numbers * numbers


@pytest.fixture(scope="module")
def model() -> keras.Model:
    inputs = {"x": keras.Input((1,), name="x")}
    dense = keras.layers.Dense(1, kernel_initializer="ones", kernel_regularizer="l2")
    model = keras.Model(inputs, dense(inputs["x"]))
    model.compile(loss="mse")
    return model


def _reported(model: keras.Model, own: Sequence[int], processes: int) -> tuple[float, float]:
    """Return the sum of the losses that a process reports, and of how many rows it is."""
    model.reset_metrics()
    loss = model.metrics[0]
    for block, ends, wanted in chunks(SCHEDULE, {part: _rows(part) for part in own}, processes, 100):
        for start, end, rows in zip([0, *ends[:-1]], ends, wanted, strict=True):
            batch = tf.nest.map_structure(lambda values, a=start, b=end: values[a:b], block)
            counted_as(model.test_step, loss, batch, tf.constant(rows))
    return float(loss.total.numpy()), float(loss.count.numpy())


def test_processes_with_different_numbers_of_rows_report_the_loss_of_one(model: keras.Model) -> None:
    total, count = _reported(model, (0, 1), 1)
    assert count == sum(SCHEDULE.counts)
    halves = [_reported(model, (part,), 2) for part in (0, 1)]
    assert sum(rows for _, rows in halves) == pytest.approx(count)
    assert sum(losses for losses, _ in halves) == pytest.approx(total, rel=1e-5)
