"""Statistics of splits and spans are TFDV's own numbers, computed while reading every example once."""

import tempfile
from pathlib import Path
from typing import Any

import pyarrow_hotfix  # noqa: F401
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings

from artifacts.examples.manifest import ExamplesManifest
from components.compute_statistics.config import Config
from components.compute_statistics.logic import compute
from components.compute_statistics.with_beam import describe_with_beam
from components.ingest_examples.config import Config as IngestConfig
from components.ingest_examples.logic import PinnedSource, ingest
from core import digest
from core.errors import CorruptArtifact, DataError, EmptyDataset, SchemaError
from tests.odd_shards import ODD, Odd, write
from tests.unreachable_runner import SAID, RunnerUnreachable, unreachable

SCHEMA = """\
feature { name: "late" type: INT int_domain { is_categorical: true } }
feature { name: "carrier" type: BYTES }
feature { name: "temp" type: FLOAT }
"""
ROWS = 600


def table(seed: int, rows: int = ROWS) -> pa.Table:
    random = np.random.default_rng(seed)
    temp = pa.array(
        [
            None if gone else value
            for value, gone in zip(random.normal(50, 10, rows), random.random(rows) < 0.05, strict=True)
        ],
        pa.float32(),
    )
    return pa.table(
        {
            "late": random.integers(0, 2, rows),
            "carrier": random.choice(["AA", "UA", "DL"], rows),
            "temp": temp,
            "rush": random.integers(0, 24, rows),
        }
    )


def ingested(root: Path, *tables: pa.Table) -> Path:
    for span, rows in enumerate(tables, 1):
        (root / f"span-{span}").mkdir()
        pq.write_table(rows, root / f"span-{span}" / "rows.parquet")
    (root / "schema.pbtxt").write_text(SCHEMA)
    config = IngestConfig.model_validate({"format": "parquet", "window": len(tables) - 1})
    ingest(
        config,
        PinnedSource(str(root / "span-{SPAN}" / "rows.parquet"), len(tables), ""),
        str(root / "schema.pbtxt"),
        root / "examples",
    )
    return root / "examples"


def statistics(root: Path, **settings: object) -> dict[str, Any]:
    from tensorflow_metadata.proto.v0 import statistics_pb2

    written = compute(
        Config.model_validate(settings),
        root / "examples",
        str(root / "schema.pbtxt"),
        root / "statistics",
        root / "data.html",
    )
    return {
        name: statistics_pb2.DatasetFeatureStatisticsList.FromString(path.read_bytes()).datasets[0]
        for name, path in written.items()
    }


def sent(root: Path, examples: Path, *splits: str) -> str:
    """Give the shards of splits as files of what a server was sent, and return their reference."""
    digests = {}
    for shard in ExamplesManifest.read(examples).shards:
        if shard.split in (splits or ("train", "eval")):
            log = root / f"log-{shard.split}.gz"
            log.write_bytes((examples / shard.name).read_bytes())
            digests[log.name] = digest.of_file(log)
    return f"{root}/log-*.gz@{digest.of_named(digests)}"


@pytest.fixture
def tfdv_pipeline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers of this machine run TFDV's own pipeline, as those of other runners do."""
    monkeypatch.setattr("components.compute_statistics.groups_with_beam.describe_on_this_machine", describe_with_beam)


@pytest.mark.parametrize("pipeline", ["ours", "tfdv"])
def test_statistics_are_those_of_tensorflow_data_validation(
    tmp_path: Path, pipeline: str, request: pytest.FixtureRequest
) -> None:
    """In this process and on Beam; the sketches see so few rows that they are exact."""
    if pipeline == "tfdv":
        request.getfixturevalue("tfdv_pipeline")
    serving = sent(tmp_path, ingested(tmp_path, table(1), table(2)))
    ours = statistics(tmp_path, batch_rows=100, serving=serving)
    theirs = statistics(tmp_path, beam={"engine": "beam"}, serving=serving)
    assert set(ours) == {"Split-train", "Split-validation", "Split-eval", "Span-1", "Span-2", "Serving"} == set(theirs)
    assert ours["Serving"].num_examples == sum(ours[f"Split-{split}"].num_examples for split in ("train", "eval"))
    for name, mine in ours.items():
        others = {feature.path.step[0]: feature for feature in theirs[name].features}
        assert mine.num_examples == theirs[name].num_examples
        for feature in mine.features:
            _assert_same(feature, others.pop(feature.path.step[0]))
        assert not others


def _assert_same(mine: Any, other: Any) -> None:
    kind = mine.WhichOneof("stats")
    assert (mine.type, kind) == (other.type, other.WhichOneof("stats"))
    assert getattr(mine, kind).common_stats == getattr(other, kind).common_stats
    if kind == "string_stats":
        assert list(mine.string_stats.top_values) == list(other.string_stats.top_values)
        assert mine.string_stats.unique == other.string_stats.unique
        return
    for name in ("mean", "std_dev", "min", "max", "median", "num_zeros"):
        assert getattr(mine.num_stats, name) == pytest.approx(getattr(other.num_stats, name), rel=1e-6)


def test_spans_and_splits_count_the_rows_of_the_manifest(tmp_path: Path) -> None:
    manifest = ExamplesManifest.read(ingested(tmp_path, table(1), table(2), table(3)))
    found = statistics(tmp_path)
    assert {name: found[f"Split-{name}"].num_examples for name in manifest.splits()} == {
        name: manifest.records(name) for name in manifest.splits()
    }
    assert set(found) == {"Split-train", "Split-validation", "Split-eval", "Span-2", "Span-3"}, (
        "only the newest two spans are compared"
    )
    assert found["Span-2"].num_examples == found["Span-3"].num_examples == ROWS


@pytest.mark.known_failure(19)
def test_a_feature_that_some_shards_lack_is_counted_as_missing_there(tmp_path: Path) -> None:
    ingested(tmp_path, table(1), table(2).drop(["temp"]), table(3))
    found = statistics(tmp_path)
    (temp,) = (feature for feature in found["Split-train"].features if feature.path.step[0] == "temp")
    common = temp.num_stats.common_stats
    assert common.num_missing + common.num_non_missing == found["Split-train"].num_examples
    held_back = found["Split-validation"].num_examples
    assert common.num_missing >= ROWS - held_back, "every row of the span that lacks it counts"
    assert common.num_non_missing > 0


def test_the_picture_shows_every_feature_also_one_the_schema_does_not_know(tmp_path: Path) -> None:
    ingested(tmp_path, table(1), table(2))
    statistics(tmp_path)
    picture = (tmp_path / "data.html").read_text()
    assert all(f"<td>{name}</td>" in picture for name in ("late", "carrier", "temp", "rush"))
    assert picture.count("<svg") == 4
    assert "<script" not in picture


def test_serving_data_is_pinned_and_not_empty(tmp_path: Path) -> None:
    ingested(tmp_path, table(1), table(2))
    log = tmp_path / "log.tfrecord"
    log.write_bytes(b"")
    with pytest.raises(EmptyDataset, match="that the server was sent"):
        statistics(tmp_path, serving=f"{log}@{digest.of_file(log)}")
    with pytest.raises(ValueError, match="String should match pattern"):
        statistics(tmp_path, serving=str(log))


def test_serving_data_that_changed_or_is_damaged_is_named(tmp_path: Path) -> None:
    serving = sent(tmp_path, ingested(tmp_path, table(1), table(2)))
    log = tmp_path / "log-eval.gz"
    whole = log.read_bytes()
    log.write_bytes(whole[:-40])
    pinned = digest.of_named({path.name: digest.of_file(path) for path in tmp_path.glob("log-*")})
    with pytest.raises(DataError, match=rf"the 2 files there are {pinned}"):
        statistics(tmp_path, serving=serving)
    with pytest.raises(CorruptArtifact, match=str(log)):
        statistics(tmp_path, serving=f"{tmp_path}/log-*.gz@{pinned}")
    with pytest.raises(DataError, match="wanted at least one file, got none"):
        statistics(tmp_path, serving=f"{tmp_path}/nowhere-*@{pinned}")


def test_a_feature_whose_type_changes_inside_a_split_is_named(tmp_path: Path) -> None:
    warm = table(1).drop(["temp"]).append_column("temp", pa.array(["warm"] * ROWS))
    ingested(tmp_path, warm, table(2), table(3))
    for engine in ("in_process", "beam"):
        with pytest.raises(SchemaError, match=r"wanted one type per feature, got .*temp"):
            statistics(tmp_path, beam={"engine": engine})


def test_workers_count_the_rows_of_spans_that_are_not_described(tmp_path: Path) -> None:
    ingested(tmp_path, table(1), table(2), table(3))
    ours, theirs = statistics(tmp_path), statistics(tmp_path, beam={"engine": "beam"})
    assert {name: one.num_examples for name, one in ours.items()} == {
        name: one.num_examples for name, one in theirs.items()
    }
    assert sum(ours[f"Split-{split}"].num_examples for split in ("train", "validation", "eval")) == 3 * ROWS


def test_examples_that_changed_are_corrupt_for_both_engines(tmp_path: Path) -> None:
    folder = ingested(tmp_path, table(1), table(2))
    shard = folder / ExamplesManifest.read(folder).shards[0].name
    shard.write_bytes(shard.read_bytes()[:-1])
    for engine in ("in_process", "beam"):
        with pytest.raises(CorruptArtifact, match=shard.name):
            statistics(tmp_path, beam={"engine": engine})


def test_a_runner_that_is_not_there_is_named(tmp_path: Path) -> None:
    ingested(tmp_path, table(1), table(2))
    with pytest.raises(RunnerUnreachable, match=SAID):
        statistics(tmp_path, beam=unreachable())


@pytest.mark.nightly("a pipeline of Beam for each of several examples")
@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(train=ODD, held_back=ODD)
def test_odd_shards_have_the_same_statistics_on_both_engines(train: list[Odd], held_back: list[Odd]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "schema.pbtxt").write_text(SCHEMA)
        write(root / "examples", {"train": train, "eval": held_back}, lambda rows, seed: table(seed, rows), "temp")
        ours, theirs = statistics(root), statistics(root, beam={"engine": "beam"})
        assert ours.keys() == theirs.keys()
        for name, mine in ours.items():
            others = {feature.path.step[0]: feature for feature in theirs[name].features}
            assert mine.num_examples == theirs[name].num_examples
            assert {feature.path.step[0] for feature in mine.features} == set(others)
            for feature in mine.features:
                _assert_same(feature, others[feature.path.step[0]])
