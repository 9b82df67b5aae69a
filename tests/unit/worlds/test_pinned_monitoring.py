"""A run of the monitor is pinned to the training data of the version in production, and to the files there were."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from artifacts.outcomes.writer import append
from artifacts.prediction_log.conversion import convert, left_files
from artifacts.prediction_log.names import log_folder
from artifacts.prediction_log.reader import LogRow
from artifacts.prediction_log.writer import LogWriter, write_rows
from artifacts.snapshot.files import Snapshot
from core.backends.registry import open_registry
from core.errors import DataError, UsageError
from core.store import Store
from mlops.worlds.pinned_monitoring import monitoring_parameters
from mlops.worlds.world import RunRequest
from pipelines.config import find, load
from tests.logged_rows import packed

ABOUT = {"source": "/data/span-{SPAN}.csv", "spans": [1, 2, 3, 4], "data": "sha256:" + "a" * 64}
AT = int(datetime(2013, 10, 5, tzinfo=UTC).timestamp()) * 1_000_000


def _row(key: str) -> LogRow:
    return LogRow(key, key, 0, AT, 1, "champion", {"x": [1.0]}, {"prediction": [0.5]})


@pytest.fixture
def store(tmp_path: Path) -> Store:
    exported = tmp_path / "exported"
    exported.mkdir()
    (exported / "saved_model.pb").write_text("graph")
    registry = open_registry(str(tmp_path / "models"))
    registry.publish("flight_delay", exported, ABOUT)
    registry.promote("flight_delay", 1)
    return Store(tmp_path)


REQUEST = RunRequest(load(find("flight_delay")), "monitoring", as_of="2013-11-01")


def test_the_training_data_is_that_of_the_version_in_production(store: Store) -> None:
    pinned = monitoring_parameters(REQUEST, store)
    assert (pinned["source"], pinned["span"], pinned["data"]) == (ABOUT["source"], 4, ABOUT["data"])
    assert pinned["champion"].startswith("1@sha256:")
    assert pinned["as_of"] == "2013-11-01T00:00:00Z"


def test_the_same_files_are_the_same_snapshot_and_whole_records_of_an_open_file_are_in_it(store: Store) -> None:
    folder = log_folder(store.root, "flight_delay")
    write_rows(folder, [_row("a")])
    writer = LogWriter(folder)
    writer.append(packed(_row("b")), datetime(2013, 10, 5, tzinfo=UTC).date())
    append(store.root / "outcomes" / "flight_delay" / "x.jsonl", [("a", 1, AT)])
    first = monitoring_parameters(REQUEST, store)["snapshot"]
    assert first == monitoring_parameters(REQUEST, store)["snapshot"]
    files = Snapshot.read(first).files
    assert [file.role for file in files] == ["log", "log", "outcomes"]
    writer.append(packed(_row("c")), datetime(2013, 10, 5, tzinfo=UTC).date())
    for _ in range(2):  # grown since, then finished, and yet the same bytes
        for file in files:
            with file.open() as stream:
                assert len(stream.read()) == file.size
        writer.finish()
        for part in left_files(folder):
            convert(part)
    assert left_files(folder) == []
    assert monitoring_parameters(REQUEST, store)["snapshot"] != first


def test_server_metrics_are_copied(store: Store, tmp_path: Path) -> None:
    (tmp_path / "m.prom").write_text("up 1\n")
    request = replace(REQUEST, server_metrics=str(tmp_path / "m.prom"))
    (file,) = Snapshot.read(monitoring_parameters(request, store)["snapshot"]).of("metrics")
    with file.open() as stream:
        assert stream.read() == b"up 1\n"
    with pytest.raises(DataError, match="wanted a server's metrics"):
        monitoring_parameters(replace(REQUEST, server_metrics=str(tmp_path / "none")), store)


@pytest.mark.parametrize("as_of", ["yesterday", "2013-11-01T06:00:00"])
def test_an_instant_is_rfc_3339(store: Store, as_of: str) -> None:
    with pytest.raises(UsageError, match="--as-of: wanted a time"):
        monitoring_parameters(replace(REQUEST, as_of=as_of), store)


def test_without_a_version_in_production_there_is_nothing_to_monitor(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nothing is in production yet"):
        monitoring_parameters(REQUEST, Store(tmp_path))
