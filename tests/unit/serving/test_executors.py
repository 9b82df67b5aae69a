"""Models with branches and loops answer as others do, which TensorFlow runs in another way."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from artifacts.model import graph_ops
from serving.models.savedmodel import SavedModel

SPEC = tf.TensorSpec([None], tf.float32, name="x")
BRANCHING: dict[str, tuple[Callable[[Any], Any], bool]] = {
    "straight": (lambda x: tf.where(x > 2.0, x, -x), False),
    "if": (lambda x: tf.cond(tf.reduce_any(x > 2.0), lambda: x * 2.0, lambda: -x), True),
    "while": (lambda x: tf.while_loop(lambda y: tf.reduce_any(y < 8.0), lambda y: (y * 2.0,), (x,))[0], True),
    "case": (lambda x: tf.switch_case(tf.size(x), [lambda: x, lambda: -x, lambda: x * 3.0]), True),
    "in a function": (lambda x: tf.map_fn(lambda one: one + 1.0, x), True),
}


@pytest.mark.parametrize(("call", "branches"), BRANCHING.values(), ids=BRANCHING)
def test_a_model_with_and_without_branches_answers(
    call: Callable[[Any], Any], branches: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """TensorFlow's executor of one thread runs no branches, so a model that has some must not get it."""
    asked: list[bool] = []
    monkeypatch.setattr(
        graph_ops, "may_branch", lambda ops, original=graph_ops.may_branch: asked.append(original(ops)) or asked[-1]
    )
    module = tf.Module()
    module.call = tf.function(lambda x: {"y": call(x)}, input_signature=[SPEC])
    tf.saved_model.save(module, str(tmp_path), signatures={"serving_default": module.call})
    model = SavedModel(tmp_path)
    for values in ([1.0], [1.0, 3.0]):
        column = np.array(values, np.float32)
        np.testing.assert_array_equal(
            model.run(model.signatures["serving_default"], {"x": column})["y"], call(tf.constant(column))
        )
    assert asked == [branches]
    model.close()
