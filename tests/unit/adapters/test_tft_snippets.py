"""What people write in a preprocessing_fn: the analysis in this process gives what Beam gives, or hands over to Beam.

Every snippet is a function. One Beam pipeline analyzes all of them at once, which takes seconds instead of minutes;
their outputs are named after them.
"""

import importlib.metadata
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow_hotfix  # noqa: F401
import apache_beam as beam
import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf
import tensorflow_transform as tft
import tensorflow_transform.beam as tft_beam
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx_bsl.tfxio.tensor_adapter import TensorAdapter, TensorAdapterConfig
from tfx_bsl.tfxio.tf_example_record import TFExampleBeamRecord

from adapters.tft import analysis as tft_analysis
from adapters.tft.passes import Phase, in_this_process

SCHEMA = text_format.Parse(
    """
    feature { name: "x" type: FLOAT presence { min_fraction: 1.0 } shape { dim { size: 1 } } }
    feature { name: "v" type: FLOAT presence { min_fraction: 1.0 } shape { dim { size: 3 } } }
    feature { name: "n" type: INT presence { min_fraction: 1.0 } shape { dim { size: 1 } } }
    feature { name: "s" type: BYTES presence { min_fraction: 1.0 } shape { dim { size: 1 } } }
    feature { name: "text" type: BYTES presence { min_fraction: 1.0 } shape { dim { size: 1 } } }
    feature { name: "gust" type: FLOAT value_count { min: 0 max: 1 } }
    feature { name: "tags" type: BYTES }
    """,
    schema_pb2.Schema(),
)
ROWS, BATCH = 400, 130
Tensors = dict[str, Any]
Snippet = Callable[[Tensors], Any]


def _dense(values: Any, default: Any) -> Any:
    return tft.sparse_tensor_to_dense_with_shape(values, [None, 1], default)


def _flat(values: Any) -> Any:
    return tf.squeeze(values, axis=1)


def _zeros(inputs: Tensors) -> Any:
    return tf.zeros_like(inputs["x"])


def _row_sums(lists: Any) -> Any:
    """Add up squares, which tell one list from most others: outputs of a transform have a known width."""
    squares = tf.sparse.map_values(lambda values: tf.square(tf.cast(values, tf.float32)), lists)
    return tf.reduce_sum(tf.sparse.to_dense(squares), axis=1, keepdims=True)


def _split(inputs: Tensors) -> Any:
    return tf.strings.split(_flat(inputs["text"])).to_sparse()


def _tfidf(inputs: Tensors) -> Any:
    words = tft.compute_and_apply_vocabulary(tft.ngrams(_split(inputs), (1, 2), "_"), top_k=30)
    indices, weights = tft.tfidf(words, 31)
    return _row_sums(weights) + _row_sums(indices)


def _bag_of_words(inputs: Tensors) -> Any:
    words = tft.compute_and_apply_vocabulary(_split(inputs), vocab_filename="bag")
    size = tft.get_num_buckets_for_transformed_feature(words)
    counted = tf.sparse.map_values(tf.strings.length, tft.bag_of_words(_split(inputs), (1, 1), " "))
    return _row_sums(counted) + tf.cast(size, tf.float32)


def _pca(inputs: Tensors) -> Any:
    return tf.abs(inputs["v"] @ tft.pca(inputs["v"], 2, tf.float32))


def _covariance(inputs: Tensors) -> Any:
    return inputs["v"] @ tft.covariance(inputs["v"], tf.float32)


def _count_per_key(inputs: Tensors) -> Any:
    keys, counts = tft.count_per_key(_flat(inputs["s"]))
    return _zeros(inputs) + tf.cast(tf.reduce_sum(counts * tf.cast(tf.strings.length(keys), tf.int64)), tf.float32)


def _mean_per_key(inputs: Tensors) -> Any:
    return tft.scale_to_z_score_per_key(_flat(inputs["x"]), _flat(inputs["s"]))


def _approximate(inputs: Tensors) -> Any:
    return tft.experimental.compute_and_apply_approximate_vocabulary(inputs["s"], top_k=10)


def _moments(inputs: Tensors) -> Any:
    x = inputs["x"]
    return _zeros(inputs) + tft.mean(x) + tft.var(x) + tft.min(x) - tft.max(x) + tft.sum(x) / 1000.0


SNIPPETS: dict[str, Snippet] = {
    "z_score": lambda i: tft.scale_to_z_score(i["x"]),
    "z_score_of_a_vector": lambda i: tft.scale_to_z_score(i["v"], elementwise=True),
    "z_score_of_sparse": lambda i: tft.scale_to_z_score(_dense(i["gust"], float("nan"))),
    "scale_0_1": lambda i: tft.scale_to_0_1(i["x"]),
    "min_max": lambda i: tft.scale_by_min_max(i["x"], -1.0, 1.0),
    "gaussian": lambda i: tft.scale_to_gaussian(i["x"]),
    "bucketize": lambda i: tft.bucketize(i["x"], 5),
    "quantiles": lambda i: tft.apply_buckets(i["x"], tft.quantiles(i["x"], 4, epsilon=0.01)),
    "interpolation": lambda i: tft.apply_buckets_with_interpolation(i["x"], tft.quantiles(i["x"], 4, epsilon=0.01)),
    "vocabulary": lambda i: tft.compute_and_apply_vocabulary(i["s"]),
    "vocabulary_top_k": lambda i: tft.compute_and_apply_vocabulary(i["s"], top_k=2, num_oov_buckets=2),
    "vocabulary_frequency": lambda i: tft.compute_and_apply_vocabulary(
        i["s"], frequency_threshold=60, num_oov_buckets=1
    ),
    "vocabulary_of_numbers": lambda i: tft.compute_and_apply_vocabulary(i["n"], default_value=-7),
    "vocabulary_of_lists": lambda i: _row_sums(tft.compute_and_apply_vocabulary(i["tags"])),
    "vocabulary_file": lambda i: tft.apply_vocabulary(i["s"], tft.vocabulary(i["s"], vocab_filename="file")),
    "weighted_vocabulary": lambda i: tft.compute_and_apply_vocabulary(i["s"], weights=tf.abs(i["x"])),
    "hash_buckets": lambda i: tft.hash_strings(i["s"], 7),
    "crosses": lambda i: tft.hash_strings(tf.strings.join([i["s"], tf.strings.as_string(i["n"])], "_x_"), 50),
    "ngrams_and_tfidf": _tfidf,
    "bag_of_words": _bag_of_words,
    "pca": _pca,
    "covariance": _covariance,
    "moments": _moments,
    "size": lambda i: _zeros(i) + tf.cast(tft.size(i["n"]), tf.float32),
    "two_phases": lambda i: tft.scale_to_0_1(tf.abs(i["x"] - tft.mean(i["x"]))),
    "missing_filled": lambda i: _dense(i["gust"], 0.0) + tft.mean(_dense(i["gust"], 0.0)),
}
TO_BEAM: dict[str, Snippet] = {
    "histogram": lambda i: _zeros(i) + tf.cast(tf.reduce_sum(tft.histogram(i["x"], boundaries=5)[0]), tf.float32),
    "count_per_key": _count_per_key,
    "z_score_per_key": _mean_per_key,
    "approximate_vocabulary": _approximate,
    "by_mutual_information": lambda i: tft.compute_and_apply_vocabulary(
        i["s"], labels=tf.cast(i["n"] > 5, tf.int64), use_adjusted_mutual_info=True
    ),
    "deduplicated": lambda i: tft.compute_and_apply_vocabulary(i["s"], file_format="tfrecord_gzip"),
}
"""Goes to Beam by design: values per key, sketches, and vocabularies that are not counted or not written as text."""


def _batches() -> Iterator[pa.RecordBatch]:
    random = np.random.default_rng(7)
    words = np.array(["good", "bad", "fine", "red", "blue", "Straße"])
    strings = random.choice(list("abcdef"), ROWS, p=[0.3, 0.3, 0.2, 0.1, 0.05, 0.05])
    kind = pa.large_list(pa.float32())
    binary = pa.large_list(pa.large_binary())
    gust = [[float(x)] if x > 0 else None for x in random.normal(0.5, 1, ROWS)]
    columns = {
        "x": pa.array([[x] for x in random.normal(10, 3, ROWS).tolist()], kind),
        "v": pa.array((random.normal(0, 1, (ROWS, 3)) * [1, 2, 4]).tolist(), kind),
        "n": pa.array([[n] for n in random.integers(-3, 9, ROWS).tolist()], pa.large_list(pa.int64())),
        "s": pa.array([[s.encode()] for s in strings], binary),
        "text": pa.array([[" ".join(random.choice(words, 4)).encode()] for _ in range(ROWS)], binary),
        "gust": pa.array(gust, kind),
        "tags": pa.array(
            [[t.encode() for t in random.choice(words, random.integers(0, 4))] for _ in range(ROWS)], binary
        ),
    }
    table = pa.RecordBatch.from_arrays(list(columns.values()), list(columns))
    for start in range(0, ROWS, BATCH):
        yield table.slice(start, BATCH)


def _adapter() -> TensorAdapterConfig:
    source = TFExampleBeamRecord(physical_format="inmem", telemetry_descriptors=["test"], schema=SCHEMA)
    return source.TensorAdapterConfig()


def _all(inputs: Tensors) -> Tensors:
    return {name: snippet(inputs) for name, snippet in SNIPPETS.items()}


def _applied(transform_fn: Path) -> dict[str, Any]:
    layer = tft.TFTransformOutput(str(transform_fn)).transform_features_layer()
    table = pa.Table.from_batches(list(_batches())).combine_chunks().to_batches()[0]
    outputs = layer(TensorAdapter(_adapter()).ToBatchTensors(table, produce_eager_tensors=True))
    return {name: value.numpy() for name, value in outputs.items()}


def _analyze_on_beam(folder: Path) -> None:
    """Write the transform graph as tf.Transform does it by itself."""
    with beam.Pipeline() as pipeline, tft_beam.Context(temp_dir=str(folder / "temporary")):
        batches = pipeline | beam.Create(list(_batches()))
        transform_fn = (batches, _adapter()) | tft_beam.AnalyzeDataset(_all)
        transform_fn | tft_beam.WriteTransformFn(str(folder))


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], dict[str, Any]]:
    """Outputs by snippet, of the analysis in this process and of the one on Beam."""
    folder = tmp_path_factory.mktemp("snippets")
    (folder / "here").mkdir()
    (folder / "work").mkdir()
    analyzed = tft_analysis.analyze(_all, in_this_process(_all, _batches, _adapter()), _adapter(), folder / "work")
    analyzed.saved_model.rename(folder / "here" / "transform_fn")
    _analyze_on_beam(folder / "beam")
    metadata = (folder / "beam" / "transformed_metadata").rename(folder / "here" / "transformed_metadata")
    here = _applied(folder / "here")
    metadata.rename(folder / "beam" / "transformed_metadata")
    return here, _applied(folder / "beam")


@pytest.mark.nightly("Beam takes a minute for the snippets")
@pytest.mark.parametrize("name", SNIPPETS)
def test_a_snippet_gives_what_it_gives_on_beam(results: tuple[dict[str, Any], dict[str, Any]], name: str) -> None:
    here, beam = results[0][name], results[1][name]
    assert here.shape == beam.shape
    np.testing.assert_allclose(here, beam, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", TO_BEAM)
def test_what_only_beam_can_run_is_found_before_anything_is_read(tmp_path: Path, name: str) -> None:
    def never(phase: Phase) -> None:
        raise AssertionError(f"the data was read for {phase}")

    with pytest.raises(tft_analysis.Unsupported):
        tft_analysis.analyze(lambda inputs: {name: TO_BEAM[name](inputs)}, never, _adapter(), tmp_path)


def test_the_port_was_read_from_the_version_that_is_installed() -> None:
    """When this fails, read the files that the adapter names again, then change READ_FROM."""
    assert importlib.metadata.version("tensorflow_transform") == tft_analysis.READ_FROM
