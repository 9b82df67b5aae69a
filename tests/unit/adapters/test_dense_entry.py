"""A transform entered with dense columns gives, to the last bit, what it gives for sparse ones."""

from collections.abc import Iterator
from typing import Any

import pyarrow_hotfix  # noqa: F401
import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf
import tensorflow_transform as tft
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx_bsl.tfxio.tensor_adapter import TensorAdapterConfig
from tfx_bsl.tfxio.tf_example_record import TFExampleBeamRecord

from adapters.dense_entry import DenseEntry
from adapters.tft import analysis as tft_analysis
from adapters.tft.layer import Layer
from adapters.tft.passes import in_this_process

OPTIONAL = {"gust": "FLOAT", "level": "FLOAT", "size": "INT", "word": "BYTES", "both": "FLOAT", "list": "FLOAT"}
KINDS = {"FLOAT": pa.float32(), "INT": pa.int64(), "BYTES": pa.large_binary()}
VALUES: dict[str, list[Any]] = {
    "FLOAT": [1.5, -0.0, float("nan")],
    "INT": [-3, 7, 2**62],
    "BYTES": [b"a", b"", b"\xff"],
}
GAPS = [True, False, True, True, False]
SCHEMA = text_format.Parse(
    'feature { name: "label" type: BYTES shape { dim { size: 1 } } presence { min_fraction: 1.0 } }'
    'feature { name: "x" type: FLOAT shape { dim { size: 1 } } presence { min_fraction: 1.0 } }'
    + "".join(f'feature {{ name: "{name}" type: {kind} value_count {{ max: 1 }} }}' for name, kind in OPTIONAL.items()),
    schema_pb2.Schema(),
)


def _dense(values: Any, default: Any) -> Any:
    return tft.sparse_tensor_to_dense_with_shape(values, [None, 1], default)


def _preprocess(inputs: dict[str, Any]) -> dict[str, Any]:
    gust = _dense(inputs["gust"], float("nan"))
    wide = tft.sparse_tensor_to_dense_with_shape(inputs["list"], [None, 2], 0.0)
    return {
        "gust": gust,
        "gust_or_zero": _dense(inputs["gust"], 0.0) + inputs["x"],
        "level": tf.where(tf.math.is_nan(_dense(inputs["level"], float("nan"))), -1.0, gust),
        "size": _dense(inputs["size"], 5),
        "word": tft.compute_and_apply_vocabulary(_dense(inputs["word"], "none"), num_oov_buckets=1),
        "both": _dense(inputs["both"], 0.0),
        "sum": tf.ensure_shape(tf.sparse.reduce_sum(inputs["both"], axis=1, keepdims=True), [None, 1]),
        "wide": wide,
        "label": tft.compute_and_apply_vocabulary(inputs["label"]),
    }


def _batches() -> Iterator[pa.RecordBatch]:
    columns = {"label": pa.array([[b"yes"]] * 5, pa.large_list(pa.large_binary()))}
    columns["x"] = pa.array([[0.25]] * 5, pa.large_list(pa.float32()))
    for name, kind in OPTIONAL.items():
        values = [[VALUES[kind][at % 3]] if known else None for at, known in enumerate(GAPS)]
        columns[name] = pa.array(values, pa.large_list(KINDS[kind]))
    yield pa.RecordBatch.from_arrays(list(columns.values()), list(columns))


def _adapter() -> TensorAdapterConfig:
    source = TFExampleBeamRecord(physical_format="inmem", telemetry_descriptors=["test"], schema=SCHEMA)
    return source.TensorAdapterConfig()


@pytest.fixture(scope="module")
def layer(tmp_path_factory: pytest.TempPathFactory) -> Layer:
    folder = tmp_path_factory.mktemp("transform")
    (folder / "work").mkdir()
    run = in_this_process(_preprocess, _batches, _adapter())
    analyzed = tft_analysis.analyze(_preprocess, run, _adapter(), folder / "work")
    analyzed.saved_model.rename(folder / "transform_fn")
    return Layer(tft.TFTransformOutput(str(folder)))


def _request(gaps: list[bool]) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Return columns as tf.Transform takes them, and the values and counts of a request."""
    known = np.array(gaps, bool)
    columns: dict[str, Any] = {"x": tf.ones([len(gaps), 1])}
    values, counts = {}, {}
    for name, kind in OPTIONAL.items():
        padding = b"" if kind == "BYTES" else 0
        filled = [VALUES[kind][at % 3] if has else padding for at, has in enumerate(gaps)]
        values[name] = tf.constant(filled, {"FLOAT": tf.float32, "INT": tf.int64, "BYTES": tf.string}[kind])
        counts[name] = tf.cast(known, tf.int64)
        indices = tf.constant([[row, 0] for row in np.flatnonzero(known)], tf.int64, (int(known.sum()), 2))
        columns[name] = tf.SparseTensor(indices, tf.boolean_mask(values[name], known), [len(gaps), 1])
    return columns, values, counts


def test_only_columns_that_are_made_dense_alone_have_an_entry(layer: Layer) -> None:
    columns, *_ = _request(GAPS)
    entry = DenseEntry.of(layer, columns, list(OPTIONAL))
    assert entry is not None
    assert entry.features == {"gust", "level", "size", "word"}


@pytest.mark.parametrize("gaps", [GAPS, [True], [False], [False] * 3, [True] * 4], ids=str)
def test_it_gives_what_the_transform_gives(layer: Layer, gaps: list[bool]) -> None:
    columns, values, counts = _request(gaps)
    entry = DenseEntry.of(layer, columns, list(OPTIONAL))
    assert entry is not None
    others = {name: column for name, column in columns.items() if name not in entry.features}
    wanted, got = layer(columns), entry(others, values, counts)
    assert got.keys() == wanted.keys()
    assert "label" not in got, "a request has none"
    for name, output in wanted.items():
        assert got[name].shape == output.shape, name
        assert got[name].dtype == output.dtype, name
        assert got[name].numpy().tobytes() == output.numpy().tobytes(), name


def test_one_value_is_not_taken_for_that_of_all_rows(layer: Layer) -> None:
    columns, _, counts = _request(GAPS)
    _, values, _ = _request([True])
    entry = DenseEntry.of(layer, columns, list(OPTIONAL))
    assert entry is not None
    with pytest.raises(tf.errors.InvalidArgumentError):
        entry({name: column for name, column in columns.items() if name not in entry.features}, values, counts)


def test_what_is_not_a_transform_has_none() -> None:
    assert DenseEntry.of(dict, ["gust"], ["gust"]) is None
