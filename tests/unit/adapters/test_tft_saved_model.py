"""The graph that is written is the one that tf.Transform would have written, with fewer traces and tables."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow_hotfix  # noqa: F401
import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf
import tensorflow_transform as tft
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2
from tensorflow_transform import impl_helper, schema_inference
from tensorflow_transform.tf_metadata import metadata_io
from tfx_bsl.tfxio.tensor_adapter import TensorAdapter, TensorAdapterConfig
from tfx_bsl.tfxio.tf_example_record import TFExampleBeamRecord

from adapters.tf_cut import Cut
from adapters.tft import analysis as tft_analysis
from adapters.tft import passes as tft_passes
from adapters.tft import saved_model as tft_saved_model
from adapters.tft.passes import Phase, in_this_process
from adapters.tft.trace import Trace

SCHEMA = text_format.Parse(
    """
    feature { name: "x" type: FLOAT presence { min_fraction: 1.0 } shape { dim { size: 1 } } }
    feature { name: "s" type: BYTES presence { min_fraction: 1.0 } shape { dim { size: 1 } } }
    feature { name: "gust" type: FLOAT value_count { min: 0 max: 1 } }
    feature { name: "tags" type: BYTES }
    """,
    schema_pb2.Schema(),
)
Columns = dict[str, Any]


def _batches() -> Iterator[pa.RecordBatch]:
    random = np.random.default_rng(3)
    for rows in (50, 70):
        words = random.choice(list("abcde"), rows)
        columns = {
            "x": pa.array([[x] for x in random.normal(10, 3, rows)], pa.large_list(pa.float32())),
            "s": pa.array([[word.encode()] for word in words], pa.large_list(pa.large_binary())),
            "gust": pa.array([[x] if x > 0 else None for x in random.normal(0, 1, rows)], pa.large_list(pa.float32())),
            "tags": pa.array([[b"t"] * (n % 3) for n in range(rows)], pa.large_list(pa.large_binary())),
        }
        yield pa.RecordBatch.from_arrays(list(columns.values()), list(columns))


def _adapter() -> TensorAdapterConfig:
    source = TFExampleBeamRecord(physical_format="inmem", telemetry_descriptors=["test"], schema=SCHEMA)
    return source.TensorAdapterConfig()


def _many(inputs: Columns) -> Columns:
    gust = tft.sparse_tensor_to_dense_with_shape(inputs["gust"], [None, 1], default_value=float("nan"))
    ids = tft.compute_and_apply_vocabulary(inputs["s"], num_oov_buckets=2, vocab_filename="words")
    tags = tft.compute_and_apply_vocabulary(inputs["tags"], top_k=3, vocab_filename="tags")
    return {
        "ids": ids,
        "tags": tags,
        "buckets": tft.bucketize(inputs["x"], 4),
        "gust": tft.scale_to_z_score(gust),
        "again": tft.scale_to_0_1(tf.abs(inputs["x"] - tft.mean(inputs["x"]))),
        "gaussian": tft.scale_to_gaussian(inputs["x"]),
        "size": tf.zeros_like(inputs["x"]) + tf.cast(tft.get_num_buckets_for_transformed_feature(ids), tf.float32),
        "same": ids,
    }


def _applied(saved_model: Path) -> dict[str, bytes]:
    layer = tft.TFTransformOutput(str(saved_model)).transform_features_layer()
    adapter = TensorAdapter(_adapter())
    outputs = [layer(adapter.ToBatchTensors(batch, produce_eager_tensors=True)) for batch in _batches()]
    parts = {
        name: [tf.nest.flatten(one[name], expand_composites=True) for one in outputs] for name in sorted(outputs[0])
    }
    return {name: b"".join(one.numpy().tobytes() for found in each for one in found) for name, each in parts.items()}


def _analyzed(function: Callable[[Columns], Columns], folder: Path) -> Path:
    """Analyze, and return the folder of the transform graph."""
    work = folder / "work"
    work.mkdir(parents=True)
    analyzed = tft_analysis.analyze(function, in_this_process(function, _batches, _adapter()), _adapter(), work)
    return _laid_out(analyzed.saved_model, folder / "ours")


def _laid_out(saved_model: Path, folder: Path) -> Path:
    metadata = metadata_io.read_metadata(str(saved_model / tft_saved_model.METADATA))
    metadata_io.write_metadata(metadata, str(folder / "transformed_metadata"))
    saved_model.rename(folder / "transform_fn")
    return folder


def _schema(graph: Path) -> schema_pb2.Schema:
    return tft.TFTransformOutput(str(graph)).transformed_metadata.schema


def test_rows_and_schema_are_those_of_tf_transforms_own_writer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[Mapping[str, Any]] = []
    write = tft_saved_model.write

    def remembered(trace: Trace, folder: Path, function: Any, temporary: Path, replacements: Mapping[str, Any]) -> None:
        given.append(replacements)
        write(trace, folder, function, temporary, replacements)

    monkeypatch.setattr(tft_passes.tft_saved_model, "write", remembered)
    ours = _analyzed(_many, tmp_path)
    specs = TensorAdapter(_adapter()).OriginalTypeSpecs()
    first = Trace.of(_many, specs, tmp_path / "work")
    impl_helper.trace_and_write_v2_saved_model(
        str(tmp_path / "saved"), _many, specs, str(tmp_path / "work"), first.fingerprint, dict(given[0]), None, None
    )
    theirs = _laid_out(tmp_path / "saved", tmp_path / "theirs")
    assert _schema(ours) == _schema(theirs)
    assert _applied(ours) == _applied(theirs)
    tables = {graph: len(tf.saved_model.load(str(graph / "transform_fn")).resources) for graph in (ours, theirs)}
    assert tables == {ours: 2, theirs: 3}, "tf.Transform writes a table with buckets for other words twice"
    assert list(tf.saved_model.load(str(ours / "transform_fn")).signatures) == ["serving_default"]


def test_the_function_is_traced_once_for_its_analyzers_and_once_with_their_results(tmp_path: Path) -> None:
    calls, phases = [], []

    def function(inputs: Columns) -> Columns:
        calls.append(inputs)
        return {"ids": tft.compute_and_apply_vocabulary(inputs["s"]), "x": tft.scale_to_0_1(inputs["x"])}

    run = in_this_process(function, _batches, _adapter())

    def remembered(phase: Phase) -> None:
        phases.append(phase)
        run(phase)

    tft_analysis.analyze(function, remembered, _adapter(), tmp_path)
    assert len(calls) == 2
    [phase] = phases
    assert phase.graph is not None
    assert not any("Lookup" in name for name in phase.graph.needed), "no rows are looked up before there are words"


def test_a_worker_without_the_operations_of_a_phase_imports_them_by_calling_the_function(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[Columns] = []

    def function(inputs: Columns) -> Columns:
        calls.append(inputs)
        return {"x": tft.scale_to_0_1(inputs["x"])}

    monkeypatch.setattr(Cut, "is_known", property(lambda _: len(calls) > 1))
    _analyzed(function, tmp_path)
    assert len(calls) == 3


def test_a_phase_that_calls_python_is_traced_where_it_runs(tmp_path: Path) -> None:
    def function(inputs: Columns) -> Columns:
        negated = tf.py_function(lambda x: -x, [inputs["x"]], tf.float32)
        negated.set_shape([None, 1])
        return {"x": inputs["x"] - tft.mean(negated)}

    x = np.frombuffer(_applied(_analyzed(function, tmp_path))["x"], np.float32)
    given = np.concatenate([np.array(batch["x"].to_pylist(), np.float32)[:, 0] for batch in _batches()])
    np.testing.assert_allclose(x, given + given.mean(), rtol=1e-5)


def test_notes_that_depend_on_rows_are_those_that_tf_transform_makes_of_none(tmp_path: Path) -> None:
    def function(inputs: Columns) -> Columns:
        length = tf.cast(tf.strings.length(inputs["s"]), tf.int64)
        schema_inference.set_tensor_schema_override(length, tf.constant(0, tf.int64), tf.reduce_max(length))
        return {"length": length, "x": inputs["x"] - tft.mean(inputs["x"])}

    [length] = [one for one in _schema(_analyzed(function, tmp_path)).feature if one.name == "length"]
    assert (length.int_domain.min, length.int_domain.max, length.int_domain.is_categorical) == (0, 0, True)


def test_variables_are_written_with_the_graph(tmp_path: Path) -> None:
    def function(inputs: Columns) -> Columns:
        weight = tft.make_and_track_object(lambda: tf.Variable(2.5), name="weight")
        return {"x": weight * inputs["x"] / tft.max(inputs["x"])}

    x = np.frombuffer(_applied(_analyzed(function, tmp_path))["x"], np.float32)
    assert x.max() == np.float32(2.5)


def test_a_table_from_outside_of_the_trace_is_written(tmp_path: Path) -> None:
    pairs = tf.lookup.KeyValueTensorInitializer(["a", "b"], tf.constant([4, 7], tf.int64))
    table = tf.lookup.StaticVocabularyTable(pairs, 1)

    def function(inputs: Columns) -> Columns:
        tft.make_and_track_object(lambda: table, name="known")
        return {"ids": table.lookup(inputs["s"]), "x": inputs["x"] - tft.mean(inputs["x"])}

    ids = np.frombuffer(_applied(_analyzed(function, tmp_path))["ids"], np.int64)
    assert set(ids) == {2, 4, 7}


def test_analyzers_that_come_in_another_order_are_refused(tmp_path: Path) -> None:
    names = iter([("x", "gust"), ("gust", "x"), ("gust", "x")])

    def function(inputs: Columns) -> Columns:
        dense = {"x": inputs["x"], "gust": tf.sparse.to_dense(inputs["gust"])}
        means = {name: tft.mean(dense[name]) for name in next(names)}
        return {"x": inputs["x"] - means["x"] + means["gust"]}

    with pytest.raises(RuntimeError, match="order of analyzers"):
        _analyzed(function, tmp_path)
