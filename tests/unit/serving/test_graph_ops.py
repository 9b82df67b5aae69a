"""A model that reaches outside of itself is refused before any of it runs; one that needs tables and chance is not."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf

from serving.errors import ModelError
from serving.models.savedmodel import SavedModel

SPEC = tf.TensorSpec([None], tf.float32, name="x")


def saved(call: Callable[[Any], Any], folder: Path, **parts: Any) -> Path:
    """Save a model with one signature; `parts` are kept with it."""
    module = tf.Module()
    for name, part in parts.items():
        setattr(module, name, part)
    module.call = tf.function(lambda x: {"y": call(x)}, input_signature=[SPEC])
    tf.saved_model.save(module, str(folder), signatures={"serving_default": module.call})
    return folder


REACHING_OUT: dict[str, Callable[[Any], Any]] = {
    "ReadFile": lambda x: x + tf.strings.to_number(tf.io.read_file("/etc/hostname")),
    "WriteFile": lambda x: _after(tf.raw_ops.WriteFile(filename="/tmp/never", contents="x"), x),
    "EagerPyFunc": lambda x: tf.py_function(lambda one: one, [x], tf.float32),
    "MatchingFiles": lambda x: x + tf.cast(tf.size(tf.io.matching_files("/*")), tf.float32),
    "PrintV2": lambda x: _after(tf.print(x, output_stream="file:///tmp/never"), x),
    "SaveV2": lambda x: _after(
        tf.raw_ops.SaveV2(prefix="/tmp/never", tensor_names=["x"], shape_and_slices=[""], tensors=[x]), x
    ),
    "TextLineDataset": lambda x: x + tf.data.TextLineDataset("/etc/hosts").reduce(0.0, lambda total, _: total + 1),
}


def _after(done: Any, x: Any) -> Any:
    with tf.control_dependencies([done] if done is not None else []):
        return tf.identity(x)


@pytest.mark.parametrize("op", REACHING_OUT)
@pytest.mark.known_failure(26)
def test_an_operation_that_reaches_outside_of_the_model_is_named(op: str, tmp_path: Path) -> None:
    saved(REACHING_OUT[op], tmp_path)
    with pytest.raises(ModelError, match=rf"its graph holds .*\b{op}\b.* reach outside of the model"):
        SavedModel(tmp_path)


def test_nothing_of_a_refused_model_runs_not_even_its_initialization(tmp_path: Path) -> None:
    written = tmp_path / "written"
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        x = tf.compat.v1.placeholder(tf.float32, [None], name="x")
        y = tf.identity(x, name="y")
        signature = tf.compat.v1.saved_model.predict_signature_def({"x": x}, {"y": y})
        builder = tf.compat.v1.saved_model.Builder(str(tmp_path / "model"))
        builder.add_meta_graph_and_variables(
            session,
            [tf.saved_model.SERVING],
            {"serving_default": signature},
            main_op=tf.raw_ops.WriteFile(filename=str(written), contents="x"),
        )
        builder.save()
    with pytest.raises(ModelError, match="WriteFile"):
        SavedModel(tmp_path / "model")
    assert not written.exists()


def test_variables_tables_chance_and_control_flow_are_what_models_need(tmp_path: Path) -> None:
    vocabulary = tmp_path / "vocabulary.txt"
    vocabulary.write_text("1.000000\n2.000000\n")
    key, line = tf.lookup.TextFileIndex.WHOLE_LINE, tf.lookup.TextFileIndex.LINE_NUMBER
    initializer = tf.lookup.TextFileInitializer(str(vocabulary), tf.string, key, tf.int64, line)
    table = tf.lookup.StaticHashTable(initializer, -1)
    weight = tf.Variable(2.0)

    def call(x: Any) -> Any:
        found = tf.cast(table.lookup(tf.strings.as_string(x)), tf.float32)
        noise = tf.random.uniform(tf.shape(x)) * 0
        looped = tf.while_loop(lambda i, _: i < 3, lambda i, total: (i + 1, total + weight), (0, noise))[1]
        return tf.cond(tf.reduce_sum(x) > 0, lambda: found + looped, lambda: found)

    saved(call, tmp_path / "model", table=table, weight=weight, asset=tf.saved_model.Asset(str(vocabulary)))
    model = SavedModel(tmp_path / "model")
    assert set(model.signatures) == {"serving_default"}
    model.close()
