"""A part that is cut out of a traced function computes what the whole does, here or in another process."""

import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from adapters.tf_cut import READS, Cut

SPECS = {"x": tf.TensorSpec([None, 1], tf.float32), "tags": tf.SparseTensorSpec([None, None], tf.string)}
GIVEN = {
    "x": tf.constant([[1.0], [float("nan")], [-3.0]]),
    "tags": tf.SparseTensor([[0, 0], [2, 1]], tf.constant(["a", "b"]), [3, 2]),
}


def _traced(function: Callable[[dict[str, Any]], dict[str, Any]]) -> Any:
    return tf.function(function, input_signature=[SPECS], autograph=False).get_concrete_function()


def _table() -> tf.lookup.StaticHashTable:
    pairs = tf.lookup.KeyValueTensorInitializer(["a", "b"], tf.constant([1, 2], tf.int64))
    return tf.lookup.StaticHashTable(pairs, -1)


def test_a_part_is_the_same_function_in_another_process_and_needs_all_inputs() -> None:
    def whole(inputs: dict[str, Any]) -> dict[str, Any]:
        filled = tf.where(tf.math.is_nan(inputs["x"]), 0.1, inputs["x"]) / 3.0
        return {"filled": filled, "lengths": tf.strings.length(inputs["tags"].values)}

    traced = _traced(whole)
    [filled] = [one for one in traced.outputs if one.dtype == tf.float32]
    cut = pickle.loads(pickle.dumps(Cut.of(traced.graph, [filled])))
    assert cut.is_portable
    assert not any("StringLength" in name for name in cut.needed)
    [answer] = cut.function([None])(GIVEN)
    assert answer.numpy().tobytes() == traced(GIVEN)["filled"].numpy().tobytes()
    assert set(cut.inputs) == {one.name for one in traced.inputs}
    assert cut.is_known
    unknown = tf.compat.v1.GraphDef(node=[tf.compat.v1.NodeDef(name="x", op="OfAPackage")])
    assert not cut._replace(graph=unknown.SerializeToString()).is_known


def test_what_was_captured_and_called_comes_from_the_trace() -> None:
    table = _table()

    def whole(inputs: dict[str, Any]) -> dict[str, Any]:
        sign = tf.cond(tf.reduce_sum(inputs["tags"].indices) > 0, lambda: 1.0, lambda: -1.0)
        return {"ids": table.lookup(inputs["tags"].values), "signed": inputs["tags"].indices, "sign": sign}

    traced = _traced(whole)
    cut = Cut.of(traced.graph, traced.outputs)
    assert not cut.is_portable
    answers = cut.function(traced.structured_outputs, traced.graph)(GIVEN)
    assert {name: value.numpy().tolist() for name, value in answers.items()} == {
        "ids": [1, 2],
        "signed": [[0, 0], [2, 1]],
        "sign": 1.0,
    }


@pytest.mark.parametrize(
    "output",
    [
        lambda inputs: tf.py_function(np.negative, [inputs["x"]], tf.float32),
        lambda inputs: tf.numpy_function(np.negative, [inputs["x"]], tf.float32),
        lambda inputs: tf.cond(tf.size(inputs["x"]) > 0, lambda: 1.0, lambda: 2.0),
    ],
)
def test_what_only_the_process_of_the_trace_has_is_not_portable(output: Callable[[dict[str, Any]], Any]) -> None:
    traced = _traced(lambda inputs: {"output": output(inputs)})
    assert not Cut.of(traced.graph, traced.outputs).is_portable


def test_what_is_fed_replaces_what_was_computed() -> None:
    traced = _traced(lambda inputs: {"x": tf.exp(inputs["x"]) * 2.0})
    exponent = next(one.outputs[0] for one in traced.graph.get_operations() if one.type == "Exp")
    cut = Cut.of(traced.graph, traced.outputs, feeds=[exponent])
    assert cut.inputs == (exponent.name,)
    assert not cut.needed & {one.op.name for one in traced.inputs}
    assert cut.function(traced.structured_outputs)(tf.constant([[3.0]]))["x"].numpy().tolist() == [[6.0]]


def test_checks_run_whatever_the_outputs_need_and_lookups_do_not() -> None:
    table = _table()

    def whole(inputs: dict[str, Any]) -> dict[str, Any]:
        tf.debugging.assert_less(tf.shape(inputs["x"])[0], 3, "too many rows")
        return {"x": inputs["x"] + 1.0, "ids": table.lookup(inputs["tags"].values)}

    traced = _traced(whole)
    added = next(one.outputs[0] for one in traced.graph.get_operations() if one.type == "AddV2")
    runs = [one for one in traced.graph.control_outputs if one.type not in READS]
    cut = Cut.of(traced.graph, [added], runs)
    assert not any("Lookup" in name for name in cut.needed)
    with pytest.raises(tf.errors.InvalidArgumentError, match="too many rows"):
        cut.function([None], traced.graph)(GIVEN)
