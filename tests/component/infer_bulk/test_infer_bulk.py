"""Every row gets the prediction that the model gives it, in each form; nothing unfinished is ever visible.

One process and one tiny model for all: importing TensorFlow takes longer than all tests.
"""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow_hotfix  # noqa: F401
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf
from hypothesis import HealthCheck, given, settings
from tensorflow_serving.apis import prediction_log_pb2

from artifacts.examples import tfrecord
from artifacts.examples.manifest import ExamplesManifest
from artifacts.examples.shards import shards
from artifacts.inference.manifest import InferenceManifest
from components.infer_bulk import engine
from components.infer_bulk.abandoned import KEPT, remove_abandoned
from components.infer_bulk.config import Config
from components.infer_bulk.logic import Inputs, Outputs, infer
from components.infer_bulk.predictor import Predictor
from components.infer_bulk.progress import Progress
from components.ingest_examples.config import Config as IngestConfig
from components.ingest_examples.logic import PinnedSource, ingest
from core import digest, durable, objects
from core.backends.registry import open_registry
from core.decision import Decision, Verdict
from core.errors import DataError, EmptyDataset
from serving.errors import ModelError
from tests.odd_shards import ODD, Odd, write
from tests.unit.serving import tiny_models
from tests.unreachable_runner import SAID, RunnerUnreachable, unreachable
from tests.written_examples import write_examples

COMPARES_PICTURES = True
ROWS = 250
SCHEMA = """\
feature { name: "late" type: INT shape {} not_in_environment: "SERVING" }
feature { name: "carrier" type: BYTES shape {} }
feature { name: "hour" type: INT shape {} }
feature { name: "distance" type: FLOAT shape {} }
feature { name: "temp" type: FLOAT value_count { min: 0 max: 1 } }
default_environment: "TRAINING"
default_environment: "SERVING"
"""
SMALL: dict[str, Any] = {"shard_rows": 60, "batch_rows": 25, "label": "late"}


def table(rows: int = ROWS, **change: Any) -> pa.Table:
    """Return rows without a label, some of them without a temperature."""
    random = np.random.default_rng(0)
    columns = {
        "carrier": pa.array(random.choice(["AA", "UA", "Ünïted"], rows)),
        "hour": pa.array(random.integers(0, 24, rows), pa.int64()),
        "distance": pa.array(random.uniform(100, 3000, rows), pa.float32()),
        "temp": pa.array([None if at % 7 == 0 else float(at % 90) for at in range(rows)], pa.float32()),
    }
    return pa.table(columns | change)


class Ground:
    """A registry with one version, and the schema."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        registry = open_registry(str(folder / "models"))
        saved_model = tiny_models.export_delay(folder / "exported", bias=-1.0)
        foreign = tiny_models.export_foreign(folder / "foreign")
        self.model = registry.publish("delays", saved_model, {}).reference
        self.foreign = registry.publish("foreign", foreign, {}).reference
        self.registry = str(folder / "models")
        self.unfinished = folder / "inferences"
        self.schema = self.reference("schema.pbtxt", SCHEMA)
        self.predict = tf.saved_model.load(str(saved_model)).signatures["serving_default"]

    def reference(self, name: str, text: str) -> str:
        path = self.folder / name
        path.write_text(text)
        return f"{path}@{digest.of_file(path)}"

    def infer(self, examples: Path, out: Path, model: str = "", schema: str = "", **config: Any) -> Decision:
        inputs = Inputs(str(examples), schema or self.schema, model or self.model, self.registry)
        return infer(Config.model_validate(SMALL | config), inputs, outputs(out))

    def wanted(self, rows: pa.Table) -> list[float]:
        """Predict rows with a plain call of the SavedModel."""
        temp = np.array([np.nan if value is None else value for value in rows["temp"].to_pylist()], np.float32)
        predicted = self.predict(
            carrier=tf.constant(rows["carrier"].to_pylist()),
            hour=tf.constant(rows["hour"].to_numpy()),
            distance=tf.constant(rows["distance"].to_numpy()),
            temp=tf.constant(temp),
        )
        return [float(value) for value in predicted["predictions"].numpy().ravel()]


def outputs(out: Path) -> Outputs:
    names = ("inference_result", "output_examples", "predictions", "decision", "pictures")
    return Outputs(*(str(out / name) for name in names))


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Ground:
    return Ground(tmp_path_factory.mktemp("ground"))


@pytest.fixture(autouse=True)
def nothing_unfinished(ground: Ground) -> None:
    shutil.rmtree(ground.unfinished, ignore_errors=True)


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_examples(tmp_path_factory.mktemp("examples"), {"unlabeled": table()})


@pytest.fixture(scope="module")
def done(ground: Ground, examples: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The outputs of one inference; no test may change them."""
    out = tmp_path_factory.mktemp("done")
    assert ground.infer(examples, out).verdict is Verdict.PASS
    return out


def files(out: Path) -> dict[str, str]:
    found = {path.relative_to(out).as_posix(): path for path in out.rglob("*") if path.is_file()}
    return {name: digest.of_file(path) for name, path in sorted(found.items())}


def logs(out: Path) -> Iterator[Any]:
    for path in sorted((out / "inference_result").glob("prediction_logs-*.gz")):
        with path.open("rb") as stream:
            for _, record in tfrecord.read(stream, path):
                yield prediction_log_pb2.PredictionLog.FromString(record).predict_log


def test_every_form_has_the_predictions_of_a_plain_call(ground: Ground, examples: Path, done: Path) -> None:
    rows = table()
    wanted = pytest.approx(ground.wanted(rows), rel=1e-6)
    predicted = pq.ParquetDataset(done / "predictions" / "Split-unlabeled", use_legacy_dataset=False).read()
    assert predicted["prediction"].to_pylist() == wanted
    assert predicted.select(rows.column_names).to_pydict() == rows.to_pydict()
    logged = list(logs(done))
    assert [float(tf.make_ndarray(one.response.outputs["predictions"]).item()) for one in logged] == wanted
    inputs = [one.request.inputs["examples"].string_val[0] for one in logged]
    written = [
        record for path in shards(examples, "unlabeled") for record in tfrecord.read_trusted(tfrecord.inflate(path))
    ]
    assert inputs == written
    spec = logged[0].request.model_spec
    assert (spec.name, spec.version.value, spec.signature_name) == ("delays", 1, "serving_default")
    parsed = tf.io.parse_example(
        [
            record
            for path in shards(done / "output_examples", "unlabeled")
            for record in tfrecord.read_trusted(tfrecord.inflate(path))
        ],
        {"prediction": tf.io.FixedLenFeature([], tf.float32), "hour": tf.io.FixedLenFeature([], tf.int64)},
    )
    assert parsed["prediction"].numpy().tolist() == wanted
    assert parsed["hour"].numpy().tolist() == rows["hour"].to_pylist()


def test_the_manifest_counts_and_describes_every_file(done: Path) -> None:
    manifest = InferenceManifest.read(done / "inference_result")
    assert (manifest.rows, [shard.rows for shard in manifest.shards]) == (ROWS, [60, 60, 60, 60, 10])
    listed = {
        f"{folder}/{shard.files[kind].name}": shard.files[kind].sha256
        for shard in manifest.shards
        for kind, folder in (
            ("prediction_logs", "inference_result"),
            ("examples", "output_examples"),
            ("parquet", "predictions"),
        )
    }
    found = {name: sha256 for name, sha256 in files(done).items() if name.endswith((".gz", ".parquet"))}
    assert listed == found
    pictures = (done / "pictures").read_text()
    assert "delays" in pictures
    assert "histogram of prediction" in pictures


def test_beam_writes_the_same_bytes(ground: Ground, examples: Path, done: Path, tmp_path: Path) -> None:
    ground.infer(examples, tmp_path, beam={"engine": "beam"})
    assert files(tmp_path) == files(done)


def test_an_empty_shard_and_one_of_a_row_are_predicted_alike_on_both_engines(ground: Ground, tmp_path: Path) -> None:
    _predict_on_both_engines(ground, tmp_path, [(0, True), (1, False), (60, True)])


@pytest.mark.nightly("predicts each of several examples twice; the test above has one on both engines")
@settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck))
@given(odd=ODD)
def test_odd_shards_are_predicted_alike_on_both_engines(ground: Ground, odd: list[Odd]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        _predict_on_both_engines(ground, Path(folder), odd)


def _predict_on_both_engines(ground: Ground, root: Path, odd: list[Odd]) -> None:
    examples = write(root / "examples", {"unlabeled": odd}, _drawn, "temp")
    for name in ("in_process", "beam"):
        ground.infer(examples, root / name, beam={"engine": name})
    assert files(root / "in_process") == files(root / "beam")
    rows = InferenceManifest.read(root / "beam" / "inference_result").rows
    assert rows == 300 + sum(count for count, _ in odd)


def _drawn(rows: int, seed: int) -> pa.Table:
    """Return rows from a place of their own, so that shards differ."""
    return table(rows + seed).slice(seed)


def test_a_runner_that_is_not_there_is_named(ground: Ground, examples: Path, tmp_path: Path) -> None:
    with pytest.raises(RunnerUnreachable, match=SAID):
        ground.infer(examples, tmp_path, beam=unreachable())


def test_a_damaged_shard_is_named_by_workers_of_beam(ground: Ground, tmp_path: Path) -> None:
    damaged = write_examples(tmp_path / "examples", {"unlabeled": table()})
    shard = damaged / ExamplesManifest.read(damaged).shards[0].name
    shard.write_bytes(shard.read_bytes()[:-1])
    with pytest.raises(DataError, match=shard.name):
        ground.infer(damaged, tmp_path / "out", beam={"engine": "beam"})


class Killed(BaseException):
    """What ends a process: no `except Exception` stops it."""


def killed_after(batches: int, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Let the engine die when that many batches were predicted; return the list that counts them."""
    seen: list[int] = []
    original = Predictor.__call__

    def call(self: Predictor, records: list[bytes], first: int) -> Any:
        if len(seen) == batches:
            raise Killed
        seen.append(first)
        return original(self, records, first)

    monkeypatch.setattr(Predictor, "__call__", call)
    return seen


@pytest.mark.parametrize("batches", [2, 9])
def test_a_killed_inference_goes_on_where_it_was(  # noqa: PLR0917 - fixtures, and a case of a table
    ground: Ground, examples: Path, done: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batches: int
) -> None:
    monkeypatch.setattr(engine, "MAX_THREADS", 1)
    with monkeypatch.context() as patch, pytest.raises(Killed):
        killed_after(batches, patch)
        ground.infer(examples, tmp_path)
    assert not files(tmp_path), "nothing unfinished is visible"
    seen = killed_after(1000, monkeypatch)
    ground.infer(examples, tmp_path)
    finished = batches // 3  # a shard of 60 rows has 3 batches
    assert len(seen) == 13 - 3 * finished
    assert files(tmp_path) == files(done)
    assert not [path for path in ground.unfinished.rglob("*") if path.is_file()]


def test_a_finished_shard_that_was_damaged_is_computed_again(
    ground: Ground, examples: Path, done: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "MAX_THREADS", 1)
    with monkeypatch.context() as patch, pytest.raises(Killed):
        killed_after(9, patch)
        ground.infer(examples, tmp_path)
    next(ground.unfinished.rglob("span-*.parquet")).write_bytes(b"PAR1")
    ground.infer(examples, tmp_path)
    assert files(tmp_path) == files(done)


def test_another_machine_goes_on_from_an_object_store(  # noqa: PLR0917 - fixtures
    ground: Ground, examples: Path, done: Path, tmp_path: Path, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "MAX_THREADS", 1)
    registry = open_registry(f"{bucket}/store/models")
    model = registry.publish("delays", ground.folder / "exported", {}).reference
    inputs = Inputs(str(examples), ground.schema, model, f"{bucket}/store/models")
    config = Config.model_validate(SMALL)
    with monkeypatch.context() as patch, pytest.raises(Killed):
        killed_after(7, patch)
        infer(config, inputs, outputs(tmp_path / "one"))
    assert objects.walk(f"{bucket}/store/inferences")
    seen = killed_after(1000, monkeypatch)
    infer(config, inputs, outputs(tmp_path / "other"))
    assert len(seen) == 13 - 6, "two shards of three batches were finished"
    assert files(tmp_path / "other") == files(done)
    assert not objects.walk(f"{bucket}/store/inferences")


def test_shards_of_an_inference_that_was_not_resumed_are_removed_by_a_later_one(
    ground: Ground, examples: Path, tmp_path: Path, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "MAX_THREADS", 1)
    with monkeypatch.context() as patch, pytest.raises(Killed):
        killed_after(9, patch)
        ground.infer(examples, tmp_path)
    [left] = ground.unfinished.glob("delays/*")
    kept_at = f"{bucket}/store/inferences/delays"
    objects.write(f"{kept_at}/left/parquet/a", b"a shard")
    own = Progress(left.with_name("own"), f"{kept_at}/own")
    objects.write(f"{kept_at}/own/parquet/a", b"a shard")
    own.folder.mkdir()
    now = datetime.now(UTC)
    assert remove_abandoned(own, now) == [], "it may be resumed"
    later = now + KEPT + timedelta(minutes=1)
    with durable.locked(left / "lock"):
        assert remove_abandoned(own, later) == [f"{kept_at}/left"], "somebody resumes the other one now"
    assert remove_abandoned(own, later) == [str(left)]
    assert [one.address for one in objects.walk(kept_at)] == [f"{kept_at}/own/parquet/a"]
    assert [path.name for path in left.parent.iterdir()] == ["own"]


def test_shards_of_other_examples_or_settings_are_not_taken(
    ground: Ground, examples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "MAX_THREADS", 1)
    with monkeypatch.context() as patch, pytest.raises(Killed):
        killed_after(9, patch)
        ground.infer(examples, tmp_path)
    ground.infer(examples, tmp_path, output_columns={"predictions": "risk"})
    assert "risk" in pq.read_schema(next((tmp_path / "predictions").rglob("span-*.parquet"))).names


Change = Callable[[pa.Table], pa.Table]


@pytest.mark.parametrize(
    ("rows", "config", "rule", "observed"),
    [
        (
            table(distance=pa.array([1e31] + [1.0] * (ROWS - 1), pa.float32())),
            {},
            "every prediction is a finite number",
            "1 values",
        ),
        (
            table().drop(["carrier"]),
            {},
            "every row can be predicted",
            "row 1: feature 'carrier': wanted 1 value, got 0",
        ),
        (
            table(hour=pa.array([None if at == 70 else 1 for at in range(ROWS)], pa.int64())),
            {},
            "every row can be predicted",
            "row 71: feature 'hour': wanted 1 value, got 0 (1 such rows in this batch)",
        ),
        (table(hour=pa.array([1.5] * ROWS, pa.float32())), {}, "every row can be predicted", "hour"),
        (
            table(),
            {"output_columns": {"predictions": "hour"}},
            "no prediction has the name of a feature",
            "hour is a feature",
        ),
    ],
    ids=["NaN", "no column", "one row without", "another type", "a name twice"],
)
def test_what_cannot_be_predicted_closes_the_gate(  # noqa: PLR0917 - a case of a table
    ground: Ground, tmp_path: Path, rows: pa.Table, config: dict[str, Any], rule: str, observed: str
) -> None:
    planted = write_examples(tmp_path / "examples", {"unlabeled": rows})
    with pytest.raises(DataError, match="no predictions are released"):
        ground.infer(planted, tmp_path / "out", **config)
    decision = Decision.read(tmp_path / "out" / "decision")
    closed = [check for check in decision.checks if check.verdict is Verdict.FAIL]
    assert [check.rule for check in closed] == [rule]
    assert observed in str(closed[0].observed)
    assert not list((tmp_path / "out").rglob("manifest.json"))


def test_a_version_that_takes_other_features_than_the_schema_has_predicts_nothing(
    ground: Ground, examples: Path, tmp_path: Path
) -> None:
    other = ground.reference("other.pbtxt", SCHEMA.replace('"hour" type: INT', '"hour" type: FLOAT'))
    with pytest.raises(DataError, match="hour is int64 in the model and float32 in the schema"):
        ground.infer(examples, tmp_path, schema=other)
    assert not list(tmp_path.rglob("*.gz"))


def test_names_that_there_are_not_are_refused(ground: Ground, examples: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="Serving signature name"):
        ground.infer(examples, tmp_path, model_signature_name="serving_defautl")
    with pytest.raises(DataError, match="has no output prediction; it has predictions"):
        ground.infer(examples, tmp_path, output_columns={"prediction": "p"})
    with pytest.raises(EmptyDataset, match="did you mean 'unlabeled'"):
        ground.infer(examples, tmp_path, example_splits=("unlabelled",))


def test_a_signature_of_examples_and_several_outputs(ground: Ground, examples: Path, tmp_path: Path) -> None:
    ground.infer(examples, tmp_path, model_signature_name="classify", outputs=["parquet", "prediction_logs"])
    found = pq.read_table(next((tmp_path / "predictions").rglob("*00000-of-*.parquet")))
    assert found["classes"][0].as_py() == [b"0", b"1"]
    late = ground.wanted(table())[0]
    assert found["scores"].to_pylist()[0] == pytest.approx([1 - late, late], rel=1e-6)
    first = next(logs(tmp_path))
    assert tf.make_ndarray(first.response.outputs["classes"]).tolist() == [[b"0", b"1"]]
    assert not list((tmp_path / "output_examples").iterdir())


def test_a_model_from_elsewhere_takes_the_examples_as_they_are(ground: Ground, tmp_path: Path) -> None:
    rows = pa.table({"x": pa.array([1.0, 2.5], pa.float32())})
    planted = write_examples(tmp_path / "examples", {"unlabeled": rows})
    schema = ground.reference(
        "foreign.pbtxt", 'feature { name: "x" type: FLOAT shape {} } feature { name: "late" type: INT }'
    )
    ground.infer(planted, tmp_path / "out", model=ground.foreign, schema=schema)
    assert pq.read_table(next((tmp_path / "out").rglob("*.parquet")))["prediction"].to_pylist() == [2.0, 5.0]


@pytest.mark.parametrize(
    ("format", "files"),
    [
        ("tfrecord", "output_examples/Split-unlabeled/span-{SPAN:5}-*.gz"),
        ("parquet", "predictions/Split-unlabeled/span-{SPAN:5}-*.parquet"),
    ],
)
def test_other_stages_read_what_is_written(ground: Ground, done: Path, tmp_path: Path, format: str, files: str) -> None:
    config = IngestConfig.model_validate({"format": format, "window": 1, "split": {"by": "none"}})
    manifest = ingest(config, PinnedSource(f"{done}/{files}", 1, ""), ground.schema, tmp_path)
    assert manifest.records("unlabeled") == ROWS
    assert ExamplesManifest.read(done / "output_examples").records("unlabeled") == ROWS
