"""Beam writes the bytes that one process writes: the same splits, shards, columns, rejects and manifest."""

import json
import tempfile
from pathlib import Path
from typing import Any

import pyarrow_hotfix  # noqa: F401
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from artifacts.examples.manifest import ExamplesManifest
from components.ingest_examples.config import Config
from components.ingest_examples.logic import PinnedSource, ingest
from core import objects
from core.beam.settings import Beam, Runner
from core.errors import CorruptArtifact, DataError
from core.object_stores import locations
from core.object_stores.locations import Location
from tests.beam_pool import JOB_SERVERS, worker_pool
from tests.unreachable_runner import SAID, RunnerUnreachable, unreachable

SCHEMA = 'feature { name: "n" type: INT }\nfeature { name: "late" type: INT not_in_environment: "SERVING" }\n'
IN_MEMORY = Beam(engine="beam")


def table(first: int, rows: int, *, with_extra: bool = False) -> pa.Table:
    columns: dict[str, Any] = {
        "n": pa.array([first + row for row in range(rows)], pa.int64()),
        "late": pa.array([int(row % 3 == 0) for row in range(rows)], pa.int64()),
        "carrier": pa.array([None if row % 5 == 0 else "AB"[row % 2] for row in range(rows)], pa.string()),
    }
    if with_extra:
        columns["extra"] = pa.array([float(row) for row in range(rows)], pa.float32())
    return pa.table(columns)


def contents(folder: Location) -> dict[str, bytes]:
    return {name: locations.read(locations.join(folder, name)) for name in locations.files(folder)}


def both(root: Path, pattern: str, span: int, **settings: Any) -> tuple[dict[str, bytes], dict[str, bytes]]:
    """Ingest on both engines; return the files of each."""
    (root / "schema.pbtxt").write_text(SCHEMA)
    found = []
    for name, beam in (("one", None), ("beam", IN_MEMORY)):
        config = Config.model_validate({"format": "parquet", "window": 2, **settings, "beam": beam})
        ingest(config, PinnedSource(pattern, span, ""), str(root / "schema.pbtxt"), root / name)
        found.append(contents(root / name))
    return found[0], found[1]


@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    rows=st.lists(st.sampled_from([1, 2, 40, 700]), min_size=2, max_size=4),
    part_bytes=st.sampled_from([1 << 10, 1 << 12, 1 << 30]),
    split=st.sampled_from(
        [
            {"by": "time", "validation": 30},
            {"by": "hash", "eval": 40, "validation": 20},
            {"by": "hash", "eval": 40, "validation": 20, "group_by": ["late"], "further": {"extra": 10}},
            {"by": "hash", "eval": 40, "validation": 20, "stratify_by": ["late"]},
        ]
    ),
)
def test_any_files_give_the_same_bytes(rows: list[int], part_bytes: int, split: dict[str, Any]) -> None:
    """Files of one row beside skewed ones, a feature that some lack, row groups, and every kind of split."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for span in (1, 2):
            (root / f"span-{span}").mkdir()
            for number, count in enumerate([*rows, 300]):
                path = root / f"span-{span}" / f"part-{number}.parquet"
                first = 100_000 * span + 1000 * number
                pq.write_table(table(first, count, with_extra=number == 1), path, row_group_size=100)
        one, beam = (
            both(root, str(root / "span-{SPAN}" / "*.parquet"), 2, part_bytes=part_bytes, split=split, key="n")
            if "group_by" not in split
            else _grouped(root, part_bytes, split)
        )
        assert one == beam


def _grouped(root: Path, part_bytes: int, split: dict[str, Any]) -> tuple[dict[str, bytes], dict[str, bytes]]:
    """A split by two groups alone may be empty, which both engines refuse in the same words."""
    try:
        return both(root, str(root / "span-{SPAN}" / "*.parquet"), 2, part_bytes=part_bytes, split=split)
    except DataError as error:
        config = Config.model_validate(
            {"format": "parquet", "window": 2, "part_bytes": part_bytes, "split": split, "beam": IN_MEMORY}
        )
        pattern = str(root / "span-{SPAN}" / "*.parquet")
        with pytest.raises(type(error)) as other:
            ingest(config, PinnedSource(pattern, 2, ""), str(root / "schema.pbtxt"), root / "beam")
        assert str(other.value) == str(error)
        return {}, {}


def test_parts_are_files_together_or_row_groups_apart(tmp_path: Path) -> None:
    (tmp_path / "span-1").mkdir()
    pq.write_table(table(0, 4000), tmp_path / "span-1" / "large.parquet", row_group_size=500)
    pq.write_table(table(9000, 50), tmp_path / "span-1" / "small-1.parquet")
    pq.write_table(table(9900, 50), tmp_path / "span-1" / "small-2.parquet")
    one, beam = both(tmp_path, str(tmp_path / "span-{SPAN}" / "*"), 1, part_bytes=8 << 10, split={"by": "none"})
    assert one == beam
    manifest = ExamplesManifest.model_validate_json(one["manifest.json"])
    assert [shard.records for shard in manifest.shards][-1] == 100, "small files are one shard"
    assert len(manifest.shards) > 2
    assert manifest.records("unlabeled") == 4100


def test_rejected_rows_are_counted_over_all_parts(tmp_path: Path) -> None:
    (tmp_path / "span-1").mkdir()
    for number in range(3):
        lines = ["n,late", *(f"{number}{row},{row % 2}" for row in range(30)), "x,1"]
        (tmp_path / "span-1" / f"{number}.csv").write_text("\n".join(lines) + "\n")
    settings = {"format": "csv", "part_bytes": 1 << 10, "split": {"by": "none"}, "max_rejects": 3}
    one, beam = both(tmp_path, str(tmp_path / "span-{SPAN}" / "*"), 1, **settings)
    assert one == beam
    assert len(one["rejects.jsonl"].splitlines()) == 3
    config = Config.model_validate({**settings, "max_rejects": 2, "beam": IN_MEMORY})
    source = PinnedSource(str(tmp_path / "span-{SPAN}" / "*"), 1, "")
    with pytest.raises(DataError, match=r"2\.csv:32:1: .*2 rows were left out before it"):
        ingest(config, source, str(tmp_path / "schema.pbtxt"), tmp_path / "beam")


def test_an_unreadable_file_is_named_and_no_manifest_is_written(tmp_path: Path) -> None:
    (tmp_path / "span-1").mkdir()
    pq.write_table(table(0, 10), tmp_path / "span-1" / "a.parquet")
    damaged = tmp_path / "span-1" / "b.parquet"
    pq.write_table(table(0, 1000), damaged)
    content = bytearray(damaged.read_bytes())
    content[100:400] = bytes(300)
    damaged.write_bytes(content)
    (tmp_path / "schema.pbtxt").write_text(SCHEMA)
    config = Config.model_validate({"format": "parquet", "split": {"by": "none"}, "beam": IN_MEMORY})
    source = PinnedSource(str(tmp_path / "span-{SPAN}" / "*"), 1, "")
    with pytest.raises(CorruptArtifact) as error:
        ingest(config, source, str(tmp_path / "schema.pbtxt"), tmp_path / "out")
    assert str(error.value).startswith(f"{damaged}: wanted an intact Parquet file")
    assert "[while running" not in str(error.value)
    assert not (tmp_path / "out" / "manifest.json").exists()


def test_a_runner_that_is_not_there_is_named(tmp_path: Path) -> None:
    (tmp_path / "span-1").mkdir()
    pq.write_table(table(0, 10), tmp_path / "span-1" / "a.parquet")
    (tmp_path / "schema.pbtxt").write_text(SCHEMA)
    config = Config.model_validate({"format": "parquet", "split": {"by": "none"}, "beam": unreachable()})
    source = PinnedSource(str(tmp_path / "span-{SPAN}" / "*"), 1, "")
    with pytest.raises(RunnerUnreachable, match=SAID):
        ingest(config, source, str(tmp_path / "schema.pbtxt"), tmp_path / "out")


@pytest.mark.nightly("two workers, each of which imports Beam, three times")
@pytest.mark.parametrize("job_server", JOB_SERVERS)
def test_workers_with_staged_code_alone_read_and_write_an_object_store(
    tmp_path: Path, bucket: str, job_server: str
) -> None:
    """Two worker processes in folders of their own: what hides in a shared process, disk or checkout fails here."""
    (tmp_path / "span-1").mkdir()
    for number in range(4):
        pq.write_table(table(1000 * number, 300), tmp_path / "span-1" / f"{number}.parquet")
        objects.write(f"{bucket}/data/span-1/{number}.parquet", (tmp_path / f"span-1/{number}.parquet").read_bytes())
    (tmp_path / "schema.pbtxt").write_text(SCHEMA)
    settings = {
        "format": "parquet",
        "part_bytes": 1 << 10,
        "key": "n",
        "split": {"by": "hash", "stratify_by": ["late"]},
    }
    pattern = "/span-{SPAN}/*.parquet"
    with worker_pool(tmp_path / "pool", f"{bucket}/work", job_server) as runner:
        config = Config.model_validate({**settings, "beam": Beam(engine="beam", laptop=runner)})
        source = PinnedSource(f"{bucket}/data{pattern}", 1, "")
        ingest(config, source, str(tmp_path / "schema.pbtxt"), f"{bucket}/examples")
        workers = sorted((tmp_path / "pool" / "workers").iterdir())
    ingest(Config.model_validate(settings), source, str(tmp_path / "schema.pbtxt"), f"{bucket}/one")
    assert contents(f"{bucket}/examples") == contents(f"{bucket}/one")
    assert len(workers) >= (2 if job_server == "embedded" else 1), "Prism has one worker of a pool"
    for worker in workers:
        assert (worker / "packages" / "core" / "beam" / "settings.py").is_file(), "the project's wheel was installed"
        assert not (worker / "packages" / "tests").exists()
    assert json.loads(objects.read(f"{bucket}/one/manifest.json"))["shards"]
    assert not objects.walk(f"{bucket}/work"), "what workers handed in is removed"
    assert Runner().is_local_process
