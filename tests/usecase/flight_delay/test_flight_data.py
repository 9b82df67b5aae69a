"""The flights of 2013: every month is there, joined right, and nothing in a row is known only after departure."""

from pathlib import Path

import pyarrow_hotfix  # noqa: F401
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from artifacts.schema.schema_file import read_schema
from components.ingest_examples.config import Config
from components.ingest_examples.logic import PinnedSource, ingest
from usecases.flight_delay.data import PATTERN, SPANS, write_spans

USECASE = Path(__file__).resolve().parents[3] / "usecases" / "flight_delay"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("flights")
    write_spans(folder)
    return folder


def month(folder: Path, span: int) -> pa.Table:
    return pq.read_table(folder / PATTERN.replace("{SPAN}", str(span)))


def test_the_months_hold_every_flight_that_arrived(folder: Path) -> None:
    tables = [month(folder, span) for span in SPANS]
    assert sum(table.num_rows for table in tables) == 327_346
    late = [pc.mean(table["late"]).as_py() for table in tables]
    assert (min(late), max(late)) == (pytest.approx(0.132, abs=0.001), pytest.approx(0.326, abs=0.001))


def test_columns_are_those_of_the_schema_in_its_order(folder: Path) -> None:
    assert month(folder, 1).column_names == [feature.name for feature in read_schema(USECASE / "schema.pbtxt").feature]


def test_weather_and_plane_join_the_flight_by_hour_in_utc_and_tail_number(folder: Path) -> None:
    """The year's first flight: UA 1545, 5:15 from Newark to Houston, plane N14228 of 1999; 39 degrees at that hour."""
    first = month(folder, 1).slice(0, 1).to_pylist()[0]
    assert [first[name] for name in ("late", "carrier", "origin", "dest", "day_of_week", "hour")] == [
        0,
        "UA",
        "EWR",
        "IAH",
        2,
        5,
    ]
    assert [first[name] for name in ("distance", "plane_age", "plane_seats")] == [1400.0, 14.0, 149.0]
    assert first["temp"] == pytest.approx(39.02)
    assert first["wind_gust"] is None


def test_months_are_written_once_and_whole(folder: Path) -> None:
    path = folder / PATTERN.replace("{SPAN}", "3")
    before = path.read_bytes()
    others = {span: (folder / PATTERN.replace("{SPAN}", str(span))).stat().st_mtime_ns for span in SPANS if span != 3}
    path.unlink()
    write_spans(folder)
    assert path.read_bytes() == before
    assert others == {span: (folder / PATTERN.replace("{SPAN}", str(span))).stat().st_mtime_ns for span in others}
    assert not list(folder.rglob("*.staging"))


def test_the_sample_is_read_as_csv(tmp_path: Path) -> None:
    (tmp_path / "sample-1.csv").write_bytes((USECASE / "sample.csv").read_bytes())
    config = Config.model_validate({"format": "csv", "window": 1, "split": {"by": "hash"}})
    manifest = ingest(
        config,
        PinnedSource(str(tmp_path / "sample-{SPAN}.csv"), 1, ""),
        str(USECASE / "schema.pbtxt"),
        tmp_path / "examples",
    )
    assert sum(shard.records for shard in manifest.shards) == 300
