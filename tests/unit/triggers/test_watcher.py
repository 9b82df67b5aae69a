"""The watcher finds each whole span, each slot and each change of code, and what it finds twice has the same id."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from core.errors import UsageError
from core.store import Store
from mlops.triggers import watcher as module
from mlops.triggers.journal import Journal
from mlops.triggers.slots import last_slot, newest_slot_event
from mlops.triggers.storage.file import FileStorage
from mlops.triggers.watcher import Watcher
from pipelines.config import find, load

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC).timestamp()


class Ground:
    """A use case in a folder, its data, and a clock."""

    def __init__(self, home: Path) -> None:
        self.store = Store(home / "store")
        self.folder = home / "usecase"
        self.seconds = 0.0
        self.folder.mkdir()
        for name in ("config.yaml", "schema.pbtxt", "module.py"):
            (self.folder / name).write_bytes((find("flight_delay") / name).read_bytes())
        self.configure(triggers={"new_data": {"quiet_seconds": 30}})

    def configure(self, **sections: Any) -> None:
        path = self.folder / "config.yaml"
        content = {**yaml.safe_load(path.read_text()), "schedules": {}, **sections}
        path.write_text(yaml.safe_dump(content))

    def deliver(self, span: int, content: str = "rows") -> Path:
        folder = self.store.data / "flight_delay" / f"span-{span}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "flights.parquet").write_text(content)
        return folder

    def watcher(self) -> Watcher:
        return Watcher(
            self.store, Journal(FileStorage(self.store.root / "journal.sqlite")), {"flight_delay": self.folder}
        )


@pytest.fixture
def ground(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ground:
    made = Ground(tmp_path)
    monkeypatch.setattr(module.time, "monotonic", lambda: made.seconds)
    return made


def ids(watcher: Watcher, now: float = NOON) -> list[str]:
    return [f"{event['type'].removeprefix('mlops.fact.')} {event['id']}" for event in watcher.facts(now)]


def test_a_span_is_found_once_when_it_has_not_changed_for_the_quiet_time(ground: Ground) -> None:
    watcher = ground.watcher()
    assert ids(watcher) == []
    ground.deliver(1, "half")
    assert ids(watcher) == []
    ground.seconds += 20
    ground.deliver(1, "the whole")
    assert ids(watcher) == []
    ground.seconds += 20
    assert ids(watcher) == []
    ground.seconds += 20
    (found,) = ids(watcher)
    assert found.startswith("new_data span-1@sha256:")
    assert ids(watcher) == []


def test_a_span_with_a_marker_is_found_when_the_marker_is_there(ground: Ground) -> None:
    ground.configure(triggers={"new_data": {"marker": "_SUCCESS"}})
    watcher = ground.watcher()
    folder = ground.deliver(1)
    ground.seconds += 1000
    assert ids(watcher) == []
    (folder / "_SUCCESS").touch()
    assert len(ids(watcher)) == 1


def test_rows_to_predict_are_watched_where_they_are_delivered(ground: Ground, tmp_path: Path) -> None:
    trigger = {"pipeline": "inference", "quiet_seconds": 0}
    ground.configure(triggers={"new_data": trigger}, infer_bulk={"source": f"{tmp_path}/rows-{{SPAN}}.parquet"})
    ground.deliver(1)
    watcher = ground.watcher()
    assert ids(watcher) == []
    (tmp_path / "rows-7.parquet").write_text("rows")
    (found,) = ids(watcher)
    assert found.startswith("new_data span-7@sha256:")


@pytest.mark.known_failure(3)
def test_two_watchers_find_the_same_fact(ground: Ground) -> None:
    watchers = [ground.watcher(), ground.watcher()]
    other = Journal(FileStorage(ground.store.root / "other.sqlite"))
    watchers[1].journal = other
    ground.deliver(1)
    found = []
    for _ in range(2):
        found = [ids(watcher) for watcher in watchers]
        ground.seconds += 40
    assert found[0] == found[1] != []


def test_a_watcher_that_starts_anew_does_not_find_again_what_another_found(ground: Ground) -> None:
    ground.configure(triggers={"new_data": {"quiet_seconds": 0}})
    ground.deliver(1)
    assert len(ids(ground.watcher())) == 1
    assert ids(ground.watcher()) == []


def test_a_corrected_span_in_the_window_is_new_data(ground: Ground) -> None:
    ground.configure(triggers={"new_data": {"quiet_seconds": 0}})
    watcher = ground.watcher()
    ground.deliver(1)
    ground.deliver(2)
    first = ids(watcher)
    ground.deliver(1, "corrected")
    second = ids(watcher)
    assert len(first) == len(second) == 1 and first != second


def test_without_its_section_a_cause_is_not_watched(ground: Ground) -> None:
    ground.configure(triggers={"manual": {}})
    ground.deliver(1)
    assert ids(ground.watcher()) == []


def test_a_change_of_the_use_cases_code_is_found_once(ground: Ground) -> None:
    ground.configure(triggers={"code": {}})
    watcher = ground.watcher()
    assert ids(watcher) == []
    (ground.folder / "module.py").write_text("# changed\n")
    (found,) = ids(watcher)
    assert found.startswith("code sha256:")
    assert ids(watcher) == []


def test_code_is_read_again_only_when_a_file_has_changed(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    ground.configure(triggers={"code": {}})
    watcher, read = ground.watcher(), []
    monkeypatch.setattr(module, "tag", lambda: read.append("all sources") or "tag")
    for _ in range(3):
        ids(watcher)
    assert read == ["all sources"]
    (ground.folder / "module.py").write_text("# changed\n")
    assert len(ids(watcher)) == 1
    assert read == ["all sources"] * 2


@pytest.mark.known_failure(4)
def test_a_slot_is_found_once_and_of_several_that_were_missed_the_last(ground: Ground) -> None:
    ground.configure(triggers={}, schedules={"hourly": {"cron": "0 * * * *"}})
    watcher = ground.watcher()
    assert ids(watcher, NOON + 60) == [], "slots before the first look are not made up for"
    assert ids(watcher, NOON + 3599) == []
    assert ids(watcher, NOON + 3600) == ["schedule flight_delay/hourly@2026-01-02T13:00:00+00:00"]
    assert ids(watcher, NOON + 3601) == []
    assert ids(ground.watcher(), NOON + 5.5 * 3600) == ["schedule flight_delay/hourly@2026-01-02T17:00:00+00:00"]


def test_a_clock_that_is_set_back_finds_the_same_slot_again_as_the_same_fact(ground: Ground) -> None:
    ground.configure(triggers={}, schedules={"hourly": {"cron": "0 * * * *"}})
    watcher = ground.watcher()
    ids(watcher, NOON + 60)
    first = ids(watcher, NOON + 3600)
    assert ids(watcher, NOON + 60) == []
    assert ids(watcher, NOON + 3600) == first


def test_whoever_sends_a_slot_names_it_as_the_watcher_does(ground: Ground) -> None:
    """So that a CronJob and a watcher, or a job and its retry, make one run of it."""
    ground.configure(triggers={}, schedules={"hourly": {"cron": "0 * * * *"}})
    watcher = ground.watcher()
    ids(watcher, NOON + 60)
    (found,) = watcher.facts(NOON + 3600)
    usecase = load(ground.folder)
    for seconds in (3599, 3600, 5000):
        sent = newest_slot_event(usecase, "hourly", NOON + seconds)
        assert (sent["source"], sent["id"]) == (found["source"], found["id"])
    with pytest.raises(UsageError, match=r"schedules.hurly is not there; did you mean 'hourly'"):
        newest_slot_event(usecase, "hurly", NOON)


def test_the_last_slot_includes_the_minute_that_has_begun() -> None:
    assert last_slot("0 12 * * *", NOON) == NOON
    assert last_slot("0 12 * * *", NOON - 1) == NOON - 86_400
    assert last_slot("30 6 1 1 *", NOON) == datetime(2026, 1, 1, 6, 30, tzinfo=UTC).timestamp()
