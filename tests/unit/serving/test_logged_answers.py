"""What was answered is logged as the schema allows, or is dropped and counted; the server never waits for it."""

import errno
import fcntl
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from artifacts.examples import tfrecord
from artifacts.model.features import Feature, Features
from artifacts.model.request import tensors
from artifacts.prediction_log import keys, names
from artifacts.prediction_log.columns import examples_of
from artifacts.prediction_log.part_file import PartFile
from artifacts.prediction_log.reader import Counts, LogRow, log_files, parse, rows
from artifacts.prediction_log.rotation import Rotation
from artifacts.prediction_log.summary import Summary
from artifacts.prediction_log.writer import LogWriter, record, write_rows
from core.errors import UsageError
from serving.bodies.decoder import decode
from serving.limits import Limits
from serving.metrics import Metrics
from serving.prediction_log.answered import Answered, Waiting
from serving.prediction_log.converter import Converter
from serving.prediction_log.layout import layout_of
from serving.prediction_log.log import PredictionLog
from serving.prediction_log.retention import tidy
from serving.prediction_log.rows import encode
from serving.prediction_log.settings import LogSettings, Retention, read_secret
from serving.signature import Field, Signature, described
from tests.logged_rows import packed

NOON = 1_380_628_800_000_000
"""2013-10-01T12:00:00Z, in microseconds since 1970."""
HOUR = 3_600_000_000
OCTOBER_6 = NOON / 1e6 + 5 * 86_400
SECRET = b"a secret of the tests"
FEATURES = (
    Feature("carrier", "string", personal="no"),
    Feature("hour", "int64", personal="no"),
    Feature("temp", "float32", required=False, count="temp__count", personal="no"),
    Feature("tags", "string", required=False, shape=(None,), count="tags__count", personal="no"),
    Feature("place", "float32", shape=(2,), personal="no"),
    Feature("tail number", "string", argument="tail_number", personal="hash"),
    Feature("seat", "int64", personal="hash"),
    Feature("name", "string", personal="drop"),
    Feature("mail", "string"),
)
ROW: dict[str, Any] = {
    "carrier": b"UA",
    "hour": 5,
    "temp": 1.5,
    "tags": [b"a", b"b"],
    "place": [0.5, 0.25],
    "tail number": b"N14228",
    "seat": 12,
    "name": b"Ada",
    "mail": b"ada@example.org",
}


def answered(values: list[dict[str, Any]], features: Features | None = None, **changes: Any) -> Answered:
    """Return an answer to rows; the prediction of each is its position."""
    features = features or Features(FEATURES)
    columns: dict[str, Any] = {}
    for feature in features.features:
        columns |= tensors(feature, [row.get(feature.name) for row in values])
    inputs = tuple(Field(name, "int64", (None,)) for name in columns)
    outputs = (Field("predictions", "float32", (None, 1)),)
    signature = described(Signature("serving_default", inputs, outputs), features)
    predictions = np.arange(len(values), dtype=np.float32)[:, np.newaxis]
    return Answered("delay", 3, "abc", 100, features, signature, columns, {"predictions": predictions})._replace(
        **changes
    )


@pytest.fixture
def settings(tmp_path: Path) -> LogSettings:
    return LogSettings(tmp_path, secret=SECRET)


@pytest.fixture
def logging_to() -> Iterator[Callable[..., PredictionLog]]:
    """Return a function that starts a log; it is closed with the test."""
    logs: list[PredictionLog] = []

    def start(settings: LogSettings, *clock: Callable[[], int]) -> PredictionLog:
        logs.append(PredictionLog(settings, Metrics(), *clock))
        logs[-1].start()
        return logs[-1]

    yield start
    for log in logs:
        log.close(120)


def read(settings: LogSettings) -> list[LogRow]:
    return list(rows(log_files(settings.folder / "delay"), Counts()))


def counted(log: PredictionLog, name: str, **labels: str) -> float:
    found = log._metrics._registry.get_sample_value(f"mlops_serving_prediction_log_{name}_total", labels)
    return found or 0.0


def test_rows_are_logged_as_the_schema_allows(settings: LogSettings, logging_to: Callable[..., PredictionLog]) -> None:
    log = logging_to(settings, lambda: NOON)
    log.offer(answered([ROW, {**ROW, "temp": None, "tags": [], "carrier": b""}]))
    log.close(120)
    first, second = read(settings)
    assert (first.key, first.request_id, first.row, first.time_us) == ("abc/0", "abc", 0, NOON)
    assert (first.version, first.role, first.outputs) == (3, "champion", {"prediction": [0.0]})
    assert first.features == {
        "carrier": [b"UA"],
        "hour": [5],
        "temp": [1.5],
        "tags": [b"a", b"b"],
        "place": [0.5, 0.25],
        "tail number": [keys.hashed_text(SECRET, "tail number", b"N14228")],
        "seat": [keys.hashed_int(SECRET, "seat", 12)],
    }
    assert (second.key, second.row, second.outputs) == ("abc/1", 1, {"prediction": [1.0]})
    assert second.features["carrier"] == [b""]
    assert second.features.keys().isdisjoint({"temp", "tags"})
    content = b"".join(file.path.read_bytes() for file in log_files(settings.folder / "delay"))
    for personal in (b"Ada", b"ada@example.org", b"N14228"):
        assert personal not in content
    assert counted(log, "rows", model="delay") == 2


def logged(batch: list[Waiting], settings: LogSettings, first: Answered | None = None) -> list[LogRow]:
    """Return the rows of answers that are written together."""
    record, count = encode(batch, layout_of(first or batch[0].answered, settings), settings)
    found = [parse(example) for example in examples_of(record)]
    assert len(found) == count
    return found


def test_what_is_not_known_to_be_free_of_personal_data_is_left_out_with_a_reason(settings: LogSettings) -> None:
    layout = layout_of(answered([ROW]), replace(settings, secret=b""))
    assert [feature.name for feature in layout.features] == ["carrier", "hour", "temp", "tags", "place"]
    remarks = "\n".join(layout.remarks)
    for said in ("not tail number: it is personal, and there is no secret", "not name: it is personal", "train the"):
        assert said in remarks
    unknown = answered([ROW])._replace(features=None)
    assert layout_of(unknown, settings).features == ()
    assert "nothing says which of them are personal" in layout_of(unknown, settings).remarks[0]
    other = answered([ROW])
    other = other._replace(signature=replace(other.signature, inputs=(Field("raw", "string", (None,)),)))
    assert layout_of(other, settings).features == ()


def test_key_columns_make_the_key_and_a_personal_one_is_hashed_or_not_used(settings: LogSettings) -> None:
    def key(*columns: str, **changes: Any) -> tuple[str, tuple[str, ...]]:
        asked = answered([{**ROW, "carrier": b"U/A%"}])
        chosen = replace(settings, key_columns=columns, **changes)
        [row] = logged([Waiting(asked, NOON, 1, 1)], chosen)
        return row.key, layout_of(asked, chosen).remarks

    assert key("carrier")[0] == "U/A%"
    assert key("carrier", "hour")[0] == "U%2FA%25/5"
    assert key("tail number")[0] == keys.hashed_text(SECRET, "tail number", b"N14228").decode()
    for columns in (("name",), ("tags",), ("none",)):
        found, remarks = key(*columns)
        assert found == "abc/0"
        assert any("the key is <request id>/<row>" in remark for remark in remarks)
    assert key("tail number", secret=b"")[0] == "abc/0"


@given(
    values=st.lists(
        st.fixed_dictionaries(
            {
                "carrier": st.binary(max_size=300),
                "hour": st.integers(-(2**63), 2**63 - 1),
                "temp": st.none() | st.floats(width=32, allow_nan=False),
                "tags": st.lists(st.binary(max_size=5), max_size=4),
                "place": st.lists(st.floats(width=32, allow_nan=False), min_size=2, max_size=2),
            }
        ),
        min_size=1,
        max_size=6,
    ),
    cut=st.integers(0, 6),
)
@hypothesis_settings(deadline=None, max_examples=60)
def test_any_values_come_back_whichever_requests_they_came_in(values: list[dict[str, Any]], cut: int) -> None:
    features = Features(FEATURES[:5])
    chosen = LogSettings(Path("/nowhere"))
    parts = [part for part in (values[:cut], values[cut:]) if part]
    batch = [Waiting(answered(part, features), NOON, len(part), 1) for part in parts]
    for row, written in zip(values, logged(batch, chosen), strict=True):
        found = written.features
        for name, value in row.items():
            wanted = [] if value is None else value if isinstance(value, list) else [value]
            assert list(found.get(name, [])) == wanted


@given(
    st.lists(
        st.lists(
            st.fixed_dictionaries(
                {
                    "carrier": st.text(max_size=4),
                    "hour": st.integers(-(2**63), 2**63 - 1),
                    "temp": st.none() | st.floats(-1e6, 1e6, width=32),
                    "age": st.none() | st.integers(0, 90),
                    "tags": st.lists(st.text(max_size=3), max_size=3),
                }
            ),
            min_size=1,
            max_size=3,
        ),
        min_size=1,
        max_size=4,
    )
)
@hypothesis_settings(deadline=None, max_examples=60)
def test_what_was_decoded_at_once_is_logged_as_one_column_after_the_other_is(asked: list[list[dict[str, Any]]]) -> None:
    age = Feature("age", "int64", required=False, count="age__count", personal="no")
    features = Features((*FEATURES[:4], age))
    signature = answered([{**asked[0][0], "tags": []}], features).signature
    chosen = LogSettings(Path("/nowhere"))
    with_blocks, without = [], []
    for values in asked:
        body = json.dumps({"instances": values}).encode()
        decoded = decode(body, {"serving_default": signature}, Limits())
        if decoded is None:  # a long number, which the strict parser reads
            continue
        feeds = decoded.feeds
        outputs = {"predictions": np.zeros((len(values), 1), np.float32)}
        one = Answered("delay", 3, "abc", len(body), features, signature, feeds.columns, outputs)
        assert feeds.blocks
        without.append(Waiting(one, NOON, len(values), 1))
        blocks = one._replace(blocks=feeds.blocks, missing=feeds.missing)
        with_blocks.append(Waiting(blocks, NOON, len(values), 1))
    if without:
        layout = layout_of(without[0].answered, chosen)
        found = [examples_of(encode(batch, layout, chosen)[0]) for batch in (with_blocks, without)]
        assert found[0] == found[1]


def test_serialized_examples_are_logged_without_what_is_personal(settings: LogSettings) -> None:
    given = record(
        LogRow("k", "r", 0, 1, 1, "champion", {"carrier": [b"UA"], "hour": [5], "name": [b"Ada"], "odd": [1]}, {})
    )
    asked = answered([ROW], Features(FEATURES, takes="examples"))
    signature = Signature("serving_default", (Field("examples", "string", (None,)),), (), takes_examples=True)
    asked = asked._replace(signature=signature, columns={"examples": np.array([given], object)})
    [found] = logged([Waiting(asked, NOON, 1, 1)], replace(settings, key_columns=("hour",)))
    assert found.key == "5"
    assert {name: values for name, values in found.features.items() if values} == {"carrier": [b"UA"], "hour": [5]}


def test_several_outputs_have_names_of_their_own_and_one_of_them_is_the_prediction(settings: LogSettings) -> None:
    outputs = {
        "scores": np.array([[0.25, 0.75]], np.float64),
        "classes": np.array([[b"0", b"1"]], object),
        "key": np.array([1.0], np.float32),
    }
    asked = answered([ROW])._replace(outputs=outputs)
    [found] = logged([Waiting(asked, NOON, 1, 1)], settings)
    assert found.outputs == {"prediction": [0.25, 0.75], "classes": [b"0", b"1"]}
    assert found.key == "abc/0"


def test_answers_beyond_the_memory_are_dropped_and_counted_and_nobody_waits(settings: LogSettings) -> None:
    one = answered([ROW] * 4)
    log = PredictionLog(replace(settings, queue_bytes=3 * one.memory(4)), Metrics())
    for _ in range(10):
        log.offer(one)
    assert counted(log, "dropped_rows", model="delay", reason="queue") == 7 * 4
    log.start()
    log.close(120)
    assert len(read(settings)) == 3 * 4
    assert log._held == 0
    Converter(settings).round()
    [file] = log_files(settings.folder / "delay", unfinished=False)
    assert Summary.read(names.summary_path(file.path)).dropped == {"queue": 7 * 4}


def test_what_has_no_rows_is_counted_and_not_logged(settings: LogSettings) -> None:
    log = PredictionLog(settings, Metrics())
    log.offer(answered([ROW])._replace(outputs={"total": np.float32(1.0)}))
    log.offer(answered([ROW])._replace(outputs={"total": np.zeros(2, np.float32)}))
    assert counted(log, "dropped_rows", model="delay", reason="not_rows") == 2


def test_what_is_dropped_after_the_last_row_is_noted_when_the_log_ends(settings: LogSettings) -> None:
    log = PredictionLog(settings, Metrics(), lambda: NOON)
    log.offer(answered([ROW]))
    log._write_waiting()
    log.offer(answered([ROW])._replace(outputs={"total": np.float32(1.0)}))
    log.start()
    log.close(120)
    assert Converter(settings).round()
    [file] = log_files(settings.folder / "delay")
    summary = Summary.read(names.summary_path(file.path))
    assert (summary.rows, summary.versions, summary.dropped) == (1, {3: 1}, {"not_rows": 1})


def test_a_full_disk_costs_rows_and_no_answers_until_there_is_space(
    settings: LogSettings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    log = PredictionLog(settings, Metrics(), lambda: NOON)
    real, is_full = os.pwrite, True

    def pwrite(handle: int, content: bytes, at: int) -> int:
        if is_full and at > 100:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(handle, content[:120], at)

    monkeypatch.setattr(os, "pwrite", pwrite)
    with caplog.at_level("INFO", "serving"):
        for _ in range(3):
            log.offer(answered([ROW]))
            log._write_waiting()
        is_full = False
        log.offer(answered([ROW, ROW]))
        log._write_waiting()
    log.start()
    log.close(120)
    assert counted(log, "dropped_rows", model="delay", reason="disk") == 3
    assert counted(log, "rows", model="delay") == 2
    assert Converter(settings).round()
    counts = Counts()
    [file] = log_files(settings.folder / "delay", unfinished=False)
    assert len(list(rows([file], counts))) == 2
    assert counts.torn == 0
    assert Summary.read(names.summary_path(file.path)).dropped == {"disk": 3}
    told = [message for message in caplog.messages if "prediction log" in message and "not" not in message[:20]]
    assert sum("No space left" in message for message in told) == 1
    assert sum("is written again" in message for message in told) == 1


def test_a_folder_that_cannot_be_made_costs_rows_alone(settings: LogSettings) -> None:
    log = PredictionLog(replace(settings, folder=settings.folder / "file"), Metrics())
    (settings.folder / "file").write_text("in the way")
    log.start()
    log.offer(answered([ROW]))
    log.close(120)
    assert counted(log, "dropped_rows", model="delay", reason="disk") == 1


def test_an_answer_that_cannot_be_encoded_is_counted_and_the_next_one_is_logged(settings: LogSettings) -> None:
    log = PredictionLog(settings, Metrics(), lambda: NOON)
    odd = answered([ROW])
    log.offer(odd._replace(columns={**odd.columns, "hour": np.array(["no number"], object)}))
    log._write_waiting()
    log.offer(answered([ROW]))
    log.start()
    log.close(120)
    assert counted(log, "dropped_rows", model="delay", reason="error") == 1
    assert len(read(settings)) == 1


def test_each_row_is_in_the_day_of_its_time_when_midnight_passes_and_when_the_clock_goes_back(
    settings: LogSettings,
) -> None:
    midnight = NOON + 12 * HOUR
    times = [midnight - 2, midnight - 1, midnight, midnight + 1, midnight - HOUR, midnight + HOUR, NOON - 48 * HOUR]
    clock = iter(times)
    now = times[0]

    def tick() -> int:
        nonlocal now
        now = next(clock, now)
        return now

    log = PredictionLog(settings, Metrics(), tick)
    for at in range(len(times)):
        log.offer(answered([ROW], request_id=f"r{at}"))
    log.start()
    log.close(120)
    found = {row.request_id: row.time_us for row in read(settings)}
    assert found == {f"r{at}": time for at, time in enumerate(times)}
    assert Converter(settings).round()
    for file in log_files(settings.folder / "delay", unfinished=False):
        assert {names.day_of(row.time_us) for row in rows([file], Counts())} == {file.day}
    assert len(list(rows(log_files(settings.folder / "delay", unfinished=False), Counts()))) == len(times)


def test_sampling_takes_about_its_share_and_the_same_requests_again(settings: LogSettings) -> None:
    few = replace(settings, rate=0.25)

    def logged(folder: str, **changes: Any) -> set[str]:
        chosen = replace(few, folder=settings.folder / folder, **changes)
        log = PredictionLog(chosen, Metrics())
        for at in range(400):
            log.offer(answered([{**ROW, "hour": at}], request_id=f"r{at}"))
        log.start()
        log.close(120)
        return {row.key for row in read(chosen)}

    by_request = logged("a")
    assert by_request == logged("b") == {f"r{at}/0" for at in range(400) if keys.is_sampled(f"r{at}", 0.25)}
    assert 40 < len(by_request) < 180
    assert logged("c", key_columns=("hour",)) == {f"{at}" for at in range(400) if keys.is_sampled(f"{at}", 0.25)}


def test_old_days_and_surplus_bytes_go_and_files_of_dead_writers_are_finished(tmp_path: Path) -> None:
    def row(day: int) -> LogRow:
        return LogRow("r/0", "r", 0, NOON + day * 24 * HOUR, 1, "champion", {}, {"prediction": [0.5]})

    write_rows(tmp_path, [row(day) for day in range(6)])
    left = tmp_path / "2013-10-06" / ".dead.columns"
    [last] = log_files(tmp_path, date(2013, 10, 6))
    left.write_bytes(tfrecord.frame(packed(row(5))) + b"torn")
    converter = Converter(
        LogSettings(tmp_path.parent, retention=Retention(days=3)), (tmp_path.name,), lambda: OCTOBER_6
    )
    assert converter.round()
    assert sorted({file.day.day for file in log_files(tmp_path)}) == [3, 4, 5, 6]
    assert (last.path.with_name("dead.tfrecord")).read_bytes() == last.path.read_bytes()
    size = last.path.stat().st_size
    tidy(tmp_path, Retention(total_bytes=3 * size), date(2013, 10, 6))
    assert [file.day.day for file in log_files(tmp_path)] == [5, 6, 6]


def test_a_log_that_grows_faster_than_it_is_finished_stays_within_its_bytes(tmp_path: Path) -> None:
    row = LogRow("abc/0", "abc", 0, NOON, 1, "champion", {}, {"prediction": [0.5]})
    writer = LogWriter(tmp_path, Rotation(file_bytes=1))
    for _ in range(4):
        writer.append(packed(row), names.day_of(NOON))
    held = PartFile.create(tmp_path / "2013-10-01", "000000.tfrecord")
    held.append(tfrecord.frame(packed(row)))
    size = held.path.stat().st_size
    tidy(tmp_path, Retention(total_bytes=2 * size), date(2013, 10, 2))
    assert held.path in [file.path for file in log_files(tmp_path)], "it is being written"
    assert len(log_files(tmp_path)) == 2


def test_two_processes_do_not_tidy_at_once(tmp_path: Path) -> None:
    folder = tmp_path / "delay"
    write_rows(folder, [LogRow("k", "r", 0, NOON, 1, "champion", {}, {"prediction": [0.5]})])
    settings = LogSettings(tmp_path, retention=Retention(days=1))
    with (folder / ".lock").open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        assert Converter(settings).round()
    assert log_files(folder)
    Converter(settings, ("another model",)).round()
    assert log_files(folder), "a server removes nothing of models that it does not serve"
    assert Converter(settings, ("delay",)).round()
    assert not log_files(folder)


def test_what_cannot_be_finished_is_said_once_and_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    row = LogRow("abc/0", "abc", 0, NOON, 1, "champion", {}, {"prediction": [0.5]})
    odd = PartFile.create(tmp_path / "delay" / "2013-10-01", "a.tfrecord")
    odd.append(tfrecord.frame(b"no columns"))
    odd.leave()
    writer = LogWriter(tmp_path / "delay")
    writer.append(packed(row), names.day_of(NOON))
    writer.finish()
    converter = Converter(LogSettings(tmp_path))

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with caplog.at_level("ERROR", "serving"):
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", full)
            assert not converter.round()
            assert not converter.round()
        assert converter.round()
        assert converter.round()
    assert [row.key for row in rows(log_files(tmp_path / "delay", unfinished=False), Counts())] == ["abc/0"]
    assert odd.path.exists()
    assert sum("No space left" in message for message in caplog.messages) == 1
    assert sum(str(odd.path) in message for message in caplog.messages) == 1


def test_files_are_rotated_while_the_log_runs(settings: LogSettings) -> None:
    log = PredictionLog(replace(settings, rotation=Rotation(file_bytes=1)), Metrics(), lambda: NOON)
    for _ in range(3):
        log.offer(answered([ROW]))
        log._write_waiting()
    assert Converter(settings).round()
    assert len(log_files(settings.folder / "delay", unfinished=False)) == 3


def test_a_secret_is_read_from_a_file_or_the_environment_and_a_short_one_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_bytes(SECRET + b"\n")
    assert read_secret(file, {}) == SECRET
    assert read_secret(None, {"MLOPS_PREDICTION_LOG_SECRET": SECRET.decode()}) == SECRET
    assert read_secret(None, {}) == b""
    file.write_bytes(b"short")
    for place, environment in ((file, {}), (None, {"MLOPS_PREDICTION_LOG_SECRET": "short"}), (tmp_path / "none", {})):
        with pytest.raises(UsageError, match="wanted"):
            read_secret(place, environment)
