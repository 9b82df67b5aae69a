"""Analysis in this process and on Beam gives the same graph, reads only the training split, and names its errors."""

import logging
import tempfile
from pathlib import Path
from typing import Any

import pyarrow_hotfix  # noqa: F401
import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf
import tensorflow_transform as tft
from hypothesis import HealthCheck, given, settings
from tfx_bsl.tfxio.tensor_adapter import TensorAdapter
from tfx_bsl.tfxio.tf_example_record import TFExampleBeamRecord

from adapters.tft.analysis import Unsupported
from artifacts.examples.batches import record_batches
from artifacts.examples.manifest import ExamplesManifest
from artifacts.examples.shards import shards
from artifacts.schema.schema_file import read_schema
from artifacts.transform_graph.names import TRANSFORMED_EXAMPLES
from components.transform_features import logic
from components.transform_features.config import Config
from components.transform_features.logic import Inputs, transform
from core import digest, objects
from core.beam.settings import Beam, Runner
from core.errors import ConfigError, CorruptArtifact, EmptyDataset, MlopsError
from core.object_stores import locations
from tests.odd_shards import ODD, Odd, write
from tests.unreachable_runner import SAID, RunnerUnreachable, unreachable
from tests.written_examples import write_examples

SCHEMA = """
feature { name: "late" type: INT presence { min_fraction: 1.0 } shape { dim { size: 1 } } }
feature { name: "carrier" type: BYTES presence { min_fraction: 1.0 } shape { dim { size: 1 } } }
feature { name: "distance" type: FLOAT presence { min_fraction: 1.0 } shape { dim { size: 1 } } }
feature { name: "hour" type: INT presence { min_fraction: 1.0 } shape { dim { size: 1 } } }
feature { name: "gust" type: FLOAT value_count { min: 0 max: 1 } }
"""

MANY_ANALYZERS = """
import tensorflow as tf
import tensorflow_transform as tft

def preprocessing_fn(inputs):
    gust = tft.sparse_tensor_to_dense_with_shape(inputs["gust"], [None, 1], default_value=float("nan"))
    centered = inputs["distance"] - tft.mean(inputs["distance"])
    return {
        "late": inputs["late"],
        "carrier": tft.compute_and_apply_vocabulary(inputs["carrier"], num_oov_buckets=2),
        "top": tft.compute_and_apply_vocabulary(inputs["carrier"], top_k=2, num_oov_buckets=1, vocab_filename="top"),
        "frequent": tft.compute_and_apply_vocabulary(
            inputs["carrier"], frequency_threshold=100, vocab_filename="frequent", fingerprint_shuffle=True
        ),
        "hour": tft.compute_and_apply_vocabulary(
            inputs["hour"], default_value=-1, store_frequency=True, vocab_filename="hours"
        ),
        "weighted": tft.compute_and_apply_vocabulary(
            inputs["carrier"], weights=inputs["distance"], vocab_filename="weighted"
        ),
        "distance": tft.scale_to_0_1(inputs["distance"]),
        "again": centered / tft.max(tf.abs(centered)),      # a second pass over the data
        "gust": tft.scale_to_z_score(gust),
        "bucket": tft.bucketize(inputs["distance"], 5),
        "quantile": tft.apply_buckets(gust, tft.quantiles(gust, 4, epsilon=0.01)),
        "total": (
            tf.zeros_like(inputs["distance"])
            + tft.sum(inputs["distance"])
            + tf.cast(tft.size(inputs["hour"]), tf.float32)
        ),
    }
"""


TWO_PHASES = """
import tensorflow as tf
import tensorflow_transform as tft

def preprocessing_fn(inputs):
    carrier = tft.compute_and_apply_vocabulary(inputs["carrier"], vocab_filename="carriers")
    return {"late": inputs["late"], "scaled": tft.scale_to_z_score(tf.cast(carrier, tf.float32))}
"""
PER_KEY = """
import tensorflow_transform as tft

def preprocessing_fn(inputs):
    return {"scaled": tft.scale_to_z_score_per_key(inputs["distance"][:, 0], inputs["carrier"][:, 0])}
"""


def _flights(rows: int, carriers: str = "ABCD", seed: int = 0) -> pa.Table:
    random = np.random.default_rng(seed)
    gust = random.normal(10, 3, rows).astype("float32")
    return pa.table(
        {
            "late": random.integers(0, 2, rows),
            "carrier": random.choice(
                list(carriers), rows, p=np.arange(1, len(carriers) + 1) / sum(range(len(carriers) + 1))
            ),
            "distance": random.gamma(2, 300, rows).astype("float32"),
            "hour": random.integers(5, 24, rows),
            "gust": pa.array(gust, mask=random.random(rows) < 0.4),
        }
    )


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_examples(
        tmp_path_factory.mktemp("examples"), {"train": _flights(600), "eval": _flights(100, "AE", seed=1)}
    )


def _inputs(folder: Path, examples: Path, module: str) -> Inputs:
    (folder / "schema.pbtxt").write_text(SCHEMA)
    (folder / "module.py").write_text(module)
    return Inputs(str(folder / "module.py"), str(folder / "schema.pbtxt"), examples)


def _transformed(graph: Path, inputs: Inputs, split: str) -> dict[str, Any]:
    schema = read_schema(inputs.schema)
    adapter = TensorAdapter(
        TFExampleBeamRecord(
            physical_format="inmem", telemetry_descriptors=["test"], schema=schema
        ).TensorAdapterConfig()
    )
    layer = tft.TFTransformOutput(str(graph)).transform_features_layer()
    batches = [layer(adapter.ToBatchTensors(batch)) for batch in record_batches(inputs.examples, split, schema)]
    return {name: np.concatenate([batch[name].numpy() for batch in batches]) for name in batches[0]}


@pytest.mark.parametrize(
    "pipeline", ["ours", pytest.param("tft", marks=pytest.mark.nightly("tf.Transform's own pipeline: half a minute"))]
)
def test_both_engines_write_the_same_graph(
    tmp_path: Path, examples: Path, pipeline: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if pipeline == "tft":  # as on runners whose workers are elsewhere

        def unsupported(*_: object) -> None:
            raise Unsupported

        monkeypatch.setattr("components.transform_features.phase_with_beam.run_phase", unsupported)
    inputs = _inputs(tmp_path, examples, MANY_ANALYZERS)
    _on_both_engines(tmp_path, inputs, ("top", "frequent", "hours", "weighted"))
    assert sorted(path.name for path in (tmp_path / "in_process").iterdir()) == [
        "metadata",
        "transform_fn",
        "transformed_metadata",
    ]


@pytest.mark.nightly("two phases of an analysis on Beam for each of several examples")
@settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck))
@given(train=ODD)
def test_odd_shards_give_the_same_graph_on_both_engines(train: list[Odd]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        splits: dict[str, list[Odd]] = {"train": train, "eval": []}
        odd = write(root / "examples", splits, lambda rows, seed: _flights(rows, seed=seed), "gust")
        _on_both_engines(root, _inputs(root, odd, MANY_ANALYZERS), ("hours", "weighted"))


def test_over_s3_alone_the_graph_and_the_transformed_shards_are_the_same(
    tmp_path: Path, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on workers that share an object store with the step and no disk; TensorFlow has no S3."""
    monkeypatch.setattr(locations, "MOUNTS", {f"{tmp_path}/": "s3://"})
    monkeypatch.setattr(Runner, "sees_disk", property(lambda _: False))
    folder = tmp_path / bucket.removeprefix("s3://")
    examples = write_examples(folder / "examples", {"train": _flights(600), "eval": _flights(100, "AE", seed=1)})
    locations.copy_there(examples, f"{bucket}/examples")
    runner = Runner(work=f"{bucket}/work")
    _on_both_engines(folder, _inputs(tmp_path, examples, TWO_PHASES), ("carriers",), laptop=runner, materialize=True)
    one, beam = (ExamplesManifest.read(folder / name / TRANSFORMED_EXAMPLES).shards for name in ("in_process", "beam"))
    assert [(shard.name, shard.records) for shard in one] == [(shard.name, shard.records) for shard in beam]
    for shard in beam:
        there = tmp_path / "shard.gz"
        there.write_bytes(objects.read(f"{bucket}/beam/{TRANSFORMED_EXAMPLES}/{shard.name}"))
        assert digest.of_file(there) == shard.sha256
        here = folder / "in_process" / TRANSFORMED_EXAMPLES / shard.name
        ours, theirs = (_parsed(path, tft.TFTransformOutput(str(folder / "beam"))) for path in (here, there))
        for name, values in ours.items():
            np.testing.assert_allclose(values, theirs[name], rtol=1e-5, atol=1e-6, err_msg=name)
    assert not objects.walk(f"{bucket}/work")


def test_what_only_tf_transforms_own_pipeline_runs_is_refused_over_s3(
    tmp_path: Path, examples: Path, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locations, "MOUNTS", {f"{examples.parent}/": "s3://"})
    beam = Beam(engine="beam", laptop=Runner(runner="PortableRunner", work=f"{bucket}/work"))
    with pytest.raises(ConfigError, match=r"only tf\.Transform's own pipeline runs, and its graphs go to a disk"):
        transform(Config(beam=beam), _inputs(tmp_path, examples, PER_KEY), tmp_path / "graph")


def _on_both_engines(
    tmp_path: Path, inputs: Inputs, vocabularies: tuple[str, ...], laptop: Runner | None = None, **settings: Any
) -> None:
    """Analyze on both engines, and compare the graphs and what they make of each split."""
    for engine in ("in_process", "beam"):
        beam = Beam.model_validate({"engine": engine, "laptop": laptop})
        transform(Config(beam=beam, batch_size=250, **settings), inputs, tmp_path / engine)
    ours, beams = tft.TFTransformOutput(str(tmp_path / "in_process")), tft.TFTransformOutput(str(tmp_path / "beam"))
    assert ours.transformed_metadata.schema == beams.transformed_metadata.schema
    assert ours.raw_metadata.schema == beams.raw_metadata.schema
    for name in vocabularies:
        assert (
            Path(ours.vocabulary_file_by_name(name)).read_bytes()
            == Path(beams.vocabulary_file_by_name(name)).read_bytes()
        ), name
    for split in ("train", "eval"):
        in_process = _transformed(tmp_path / "in_process", inputs, split)
        beam = _transformed(tmp_path / "beam", inputs, split)
        assert in_process.keys() == beam.keys()
        for name in in_process:
            np.testing.assert_allclose(in_process[name], beam[name], rtol=1e-5, atol=1e-6, err_msg=name)


def test_an_analyzer_that_only_beam_can_run_goes_to_beam(
    tmp_path: Path, examples: Path, caplog: pytest.LogCaptureFixture
) -> None:
    inputs = _inputs(tmp_path, examples, PER_KEY)
    with caplog.at_level(logging.INFO):
        transform(Config(), inputs, tmp_path / "graph")
    assert "analyzing with tf.Transform's own pipeline" in caplog.text
    assert np.isfinite(_transformed(tmp_path / "graph", inputs, "train")["scaled"]).all()


def test_an_analysis_that_was_begun_before_there_were_examples_gives_the_same_graph(
    tmp_path: Path, examples: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs = _inputs(tmp_path, examples, MANY_ANALYZERS)
    transform(Config(), inputs, tmp_path / "alone")
    logic.prepare({"config": {}, "module": inputs.module, "schema": inputs.schema}, {})
    monkeypatch.setattr(logic, "_planned", lambda *_: pytest.fail("traced again"))
    transform(Config(), inputs, tmp_path / "begun")
    alone, begun = (tft.TFTransformOutput(str(tmp_path / name)) for name in ("alone", "begun"))
    assert alone.transformed_metadata.schema == begun.transformed_metadata.schema
    tops = [Path(output.vocabulary_file_by_name("top")).read_bytes() for output in (alone, begun)]
    assert tops[0] == tops[1]
    ours, theirs = (_transformed(tmp_path / name, inputs, "eval") for name in ("alone", "begun"))
    for name, values in ours.items():
        np.testing.assert_array_equal(values, theirs[name], err_msg=name)


@pytest.mark.parametrize("config", [{}, {"custom_config": {"a": 1}}, {"beam": {"engine": "beam"}}])
def test_nothing_is_begun_for_beam_or_kept_for_another_configuration(
    tmp_path: Path, examples: Path, config: dict[str, Any]
) -> None:
    inputs = _inputs(tmp_path, examples, MANY_ANALYZERS if config else PER_KEY)
    logic.prepare({"config": config, "module": inputs.module, "schema": inputs.schema}, {})
    assert logic._BEGUN.take((Config(), inputs.module, inputs.schema)) is None


def test_only_the_training_split_is_analyzed_and_materializing_keeps_every_row(tmp_path: Path, examples: Path) -> None:
    module = """
import tensorflow_transform as tft

def preprocessing_fn(inputs):
    carrier = tft.compute_and_apply_vocabulary(inputs["carrier"], num_oov_buckets=1, vocab_filename="carrier")
    return {"carrier": carrier, "late": inputs["late"]}
"""
    inputs = _inputs(tmp_path, examples, module)
    transform(Config(materialize=True), inputs, tmp_path / "graph")
    output = tft.TFTransformOutput(str(tmp_path / "graph"))
    assert sorted(output.vocabulary_by_name("carrier")) == [b"A", b"B", b"C", b"D"]
    folder = tmp_path / "graph" / TRANSFORMED_EXAMPLES
    assert [(shard.split, shard.records) for shard in ExamplesManifest.read(folder).shards] == [
        ("train", 600),
        ("eval", 100),
    ]
    [shard] = shards(folder, "eval")
    parsed = _parsed(shard, output)
    np.testing.assert_array_equal(parsed["carrier"], _transformed(tmp_path / "graph", inputs, "eval")["carrier"])


def _parsed(shard: Path, output: tft.TFTransformOutput) -> dict[str, Any]:
    """Return the features of a shard of at most 1,000 transformed examples."""
    records = tf.data.TFRecordDataset([str(shard)], "GZIP").batch(1000)
    parsed = tf.io.parse_example(next(iter(records)), output.transformed_feature_spec())
    return {name: getattr(value, "values", value).numpy() for name, value in parsed.items()}


def test_a_damaged_shard_is_named_by_both_engines(tmp_path: Path) -> None:
    folder = write_examples(tmp_path / "examples", {"train": _flights(50), "eval": _flights(5)})
    shard = folder / ExamplesManifest.read(folder).of_split("train")[0].name
    shard.write_bytes(shard.read_bytes()[:-1])
    for engine in ("in_process", "beam"):
        config = Config.model_validate({"beam": {"engine": engine}})
        with pytest.raises(CorruptArtifact, match=shard.name):
            transform(config, _inputs(tmp_path, folder, MANY_ANALYZERS), tmp_path / engine)


def test_a_runner_that_is_not_there_is_named(tmp_path: Path, examples: Path) -> None:
    config = Config.model_validate({"beam": unreachable()})
    with pytest.raises(RunnerUnreachable, match=SAID):
        transform(config, _inputs(tmp_path, examples, MANY_ANALYZERS), tmp_path / "graph")


def test_no_rows_to_analyze_is_an_error(tmp_path: Path) -> None:
    empty = write_examples(tmp_path / "examples", {"train": _flights(0), "eval": _flights(5)})
    with pytest.raises(EmptyDataset, match="rows to analyze"):
        transform(Config(), _inputs(tmp_path, empty, MANY_ANALYZERS), tmp_path / "graph")


@pytest.mark.parametrize(
    ("module", "error", "named"),
    [
        ("def preprocess_fn(inputs):\n    return inputs\n", MlopsError, "did you mean 'preprocess_fn'"),
        ("preprocessing_fn = 3\n", MlopsError, "to be a function, got int"),
        ("def preprocessing_fn(inputs):\n    return {'x': inputs['no_such_feature']}\n", KeyError, "no_such_feature"),
        ("import no_such_package\n", ModuleNotFoundError, "no_such_package"),
    ],
)
def test_errors_name_the_nearest_function_or_are_the_users_own(
    tmp_path: Path, examples: Path, module: str, error: type[Exception], named: str
) -> None:
    with pytest.raises(error, match=named):
        transform(Config(), _inputs(tmp_path, examples, module), tmp_path / "graph")
