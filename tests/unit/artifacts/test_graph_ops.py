"""A model that reaches outside of itself is refused before any of it runs; one that needs tables and chance is not."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel as SavedModelFile

from artifacts.model.graph_ops import check_restored
from artifacts.predictions.predictor import Predictor
from core.errors import ModelError
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


def with_table(folder: Path) -> Path:
    """Save a model whose table is filled from a file of words, and whose variable is restored."""
    vocabulary = folder / "vocabulary.txt"
    vocabulary.write_text("1.000000\n2.000000\n")
    key, line = tf.lookup.TextFileIndex.WHOLE_LINE, tf.lookup.TextFileIndex.LINE_NUMBER
    table = tf.lookup.StaticHashTable(
        tf.lookup.TextFileInitializer(str(vocabulary), tf.string, key, tf.int64, line), -1
    )
    weight = tf.Variable(2.0)

    def call(x: Any) -> Any:
        return weight * tf.cast(table.lookup(tf.strings.as_string(x)), tf.float32)

    return saved(call, folder / "model", table=table, weight=weight, asset=tf.saved_model.Asset(str(vocabulary)))


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same model, saved once, which loads as long as nobody changes it: copy it."""
    model = with_table(tmp_path_factory.mktemp("with_table"))
    SavedModel(model).close()
    return model


def changed(model: Path, change: Callable[[Any], None]) -> Path:
    """Change the graph of a saved model as somebody who writes the file by hand would."""
    file = model / "saved_model.pb"
    content = SavedModelFile.FromString(file.read_bytes())
    change(content.meta_graphs[0])
    file.write_bytes(content.SerializeToString())
    return model


def _from_any_file(meta_graph: Any) -> None:
    """The table reads the file whose name the graph has as a constant, instead of the asset that the loader puts in."""
    del meta_graph.asset_file_def[:]


def _through_a_variable(meta_graph: Any) -> None:
    """The variable that keeps the asset's path is written once more."""
    graph = meta_graph.graph_def
    constant = graph.node.add(name="planted", op="Const")
    constant.attr["dtype"].type = tf.string.as_datatype_enum
    constant.attr["value"].tensor.CopyFrom(tf.make_tensor_proto("/etc/hostname"))
    again = graph.node.add(name="again", op="AssignVariableOp", input=["Variable", "planted", "^Variable/Assign"])
    again.attr["dtype"].type = tf.string.as_datatype_enum
    [read] = [node for node in graph.node if node.name == "ReadVariableOp"]
    read.input.append("^again")


def _outside(meta_graph: Any) -> None:
    meta_graph.asset_file_def[0].filename = "../../../../etc/hostname"


def _of_anywhere(meta_graph: Any) -> None:
    meta_graph.asset_file_def[0].filename = "/etc/hostname"


def _others_variables(meta_graph: Any) -> None:
    """Variables are restored from the files that a constant names."""
    for function in meta_graph.graph_def.library.function:
        for node in function.node_def:
            if node.op == "RestoreV2":
                prefix = function.node_def.add(name="planted", op="Const")
                prefix.attr["dtype"].type = tf.string.as_datatype_enum
                prefix.attr["value"].tensor.CopyFrom(tf.make_tensor_proto("/elsewhere/variables"))
                node.input[0] = "planted:output:0"
                return
    raise AssertionError("no function restores variables")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (_from_any_file, r"InitializeTableFromTextFileV2\) reads the file that .* names: wanted one of its assets"),
        (_through_a_variable, r"InitializeTableFromTextFileV2\) reads the file that planted names: wanted one of its"),
        (_outside, r"its asset '\.\./\.\./\.\./\.\./etc/hostname' lies outside of the model"),
        (_of_anywhere, r"its asset '/etc/hostname' lies outside of the model"),
        (_others_variables, r"RestoreV2\) reads the file that planted.* names: wanted its variables"),
    ],
)
def test_a_model_reads_its_own_files_and_no_other(
    change: Callable[[Any], None], says: str, loaded: Path, tmp_path: Path
) -> None:
    model = Path(shutil.copytree(loaded, tmp_path / "model"))
    with pytest.raises(ModelError, match=says):
        SavedModel(changed(model, change))


def test_no_request_makes_a_model_read_a_file(tmp_path: Path) -> None:
    """The loader puts the paths of assets in while it loads, and at no other time."""
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        x = tf.compat.v1.placeholder(tf.float32, [None], name="x")
        table = tf.raw_ops.HashTableV2(key_dtype=tf.string, value_dtype=tf.int64)
        filled = tf.raw_ops.InitializeTableFromTextFileV2(
            table_handle=table, filename="/etc/hostname", key_index=-2, value_index=-1
        )
        with tf.control_dependencies([filled]):
            y = tf.identity(x, name="y")
        signature = tf.compat.v1.saved_model.predict_signature_def({"x": x}, {"y": y})
        builder = tf.compat.v1.saved_model.Builder(str(tmp_path / "model"))
        builder.add_meta_graph_and_variables(session, [tf.saved_model.SERVING], {"serving_default": signature})
        builder.save()
    with pytest.raises(ModelError, match=r"InitializeTableFromTextFileV2\) reads a file for a request"):
        SavedModel(tmp_path / "model")


def test_a_model_that_is_restored_with_its_objects_is_checked_too(loaded: Path, tmp_path: Path) -> None:
    check_restored(loaded)
    (tmp_path / "evil").mkdir()
    saved(REACHING_OUT["WriteFile"], tmp_path / "evil" / "model")
    with pytest.raises(ModelError, match="its graph holds WriteFile"):
        Predictor(tmp_path / "evil" / "model", "binary_classification")


def _initializer(meta_graph: Any) -> Any:
    """Return the function that an object fills its table with."""
    objects = meta_graph.object_graph_def
    [name] = [
        objects.nodes[child.node_id].function.concrete_functions[0]
        for node in objects.nodes
        for child in node.children
        if child.local_name == "_initialize" and "InitializeTable" in str(meta_graph.graph_def.library)
    ]
    return name


def _bound_to_a_constant(meta_graph: Any) -> None:
    """The object's function is given a text of the graph, where the graph's own initialization gives it the asset."""
    objects = meta_graph.object_graph_def
    for at in objects.concrete_functions[_initializer(meta_graph)].bound_inputs:
        if objects.nodes[at].WhichOneof("kind") == "asset":
            objects.nodes[at].constant.operation = "planted"
            return
    raise AssertionError("no asset is bound")


def _another_function(op: str) -> Callable[[Any], None]:
    """An object's function is one that the graph never calls."""

    def change(meta_graph: Any) -> None:
        function = meta_graph.graph_def.library.function.add()
        function.signature.name = "planted"
        function.node_def.add(name="name", op="Const").attr["dtype"].type = tf.string.as_datatype_enum
        function.node_def.add(name="read", op=op, input=["name:output:0"] * 2)
        objects = meta_graph.object_graph_def
        objects.concrete_functions["planted"].SetInParent()
        for node in objects.nodes:
            for child in node.children:
                if child.local_name == "_initialize":
                    objects.nodes[child.node_id].function.concrete_functions[:] = ["planted"]

    return change


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (_bound_to_a_constant, "reads a file that is given as constant"),
        (_another_function("WriteFile"), "its graph holds WriteFile"),
        (_another_function("InitializeTableFromTextFileV2"), r"reads the file that name:output:0 names: wanted one of"),
        (_from_any_file, "wanted one of its assets"),
    ],
)
def test_what_objects_run_when_they_are_restored_is_what_a_model_needs(
    change: Callable[[Any], None], says: str, loaded: Path, tmp_path: Path
) -> None:
    model = changed(Path(shutil.copytree(loaded, tmp_path / "model")), change)
    with pytest.raises(ModelError, match=says):
        check_restored(model)
