"""Whatever happens to the writer of a prediction log, the rows before its last write are read, and nothing else is."""

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from artifacts.examples import tfrecord
from artifacts.prediction_log import names
from artifacts.prediction_log.part_file import PartFile
from artifacts.prediction_log.reader import Counts, LogRow, log_files, rows
from artifacts.prediction_log.rotation import Rotation
from artifacts.prediction_log.writer import LogWriter, adopt, record, write_rows
from core.errors import CorruptArtifact, UsageError

NOON = 1_380_628_800_000_000
"""2013-10-01T12:00:00Z, in microseconds since 1970."""
DAY = date(2013, 10, 1)
ROW = LogRow(
    "EWR-1545/0",
    "abc",
    0,
    NOON,
    3,
    names.CHAMPION,
    {"carrier": [b"UA"], "hour": [5], "temp": [1.5]},
    {"prediction": [0.25]},
)


def read(folder: Path, **kinds: bool) -> tuple[list[LogRow], Counts]:
    counts = Counts()
    return list(rows(log_files(folder, **kinds), counts)), counts


def test_rows_come_back_as_they_were_written(tmp_path: Path) -> None:
    written = [replace(ROW, key=f"k{at}", row=at, time_us=NOON + at * 43_200_000_000) for at in range(5)]
    write_rows(tmp_path, written)
    found, counts = read(tmp_path)
    assert found == written
    assert (counts.files, counts.records, counts.torn) == (3, 5, 0)
    assert [file.day.isoformat() for file in log_files(tmp_path)] == ["2013-10-01", "2013-10-02", "2013-10-03"]
    assert [file.day.day for file in log_files(tmp_path, date(2013, 10, 2), date(2013, 10, 2))] == [2]


def test_midnight_belongs_to_the_day_that_begins(tmp_path: Path) -> None:
    midnight = NOON + 12 * 3_600_000_000
    write_rows(tmp_path, [replace(ROW, time_us=midnight - 1), replace(ROW, time_us=midnight)])
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["2013-10-01", "2013-10-02"]


def test_a_file_that_is_cut_anywhere_loses_its_last_record_alone(tmp_path: Path) -> None:
    whole = [tfrecord.frame(record(replace(ROW, row=at))) for at in range(3)]
    folder = tmp_path / "2013-10-01"
    folder.mkdir()
    before = len(whole[0]) + len(whole[1])
    content = b"".join(whole)
    for end in range(before, len(content)):
        for tail in (b"", b"\0" * 20):
            (folder / ".a.tfrecord.part").write_bytes(content[:end] + tail)
            found, counts = read(tmp_path)
            is_torn = end > before or bool(tail)
            assert [row.row for row in found[:2]] == [0, 1]
            assert len(found) == 2
            assert counts.torn == is_torn
            if end % 16 == 0:  # it waits for the disk
                [final] = adopt(tmp_path)
                assert final.read_bytes() == content[:before]
                final.unlink()


def test_a_damaged_record_in_the_middle_is_an_error_and_not_a_torn_end(tmp_path: Path) -> None:
    write_rows(tmp_path, [replace(ROW, row=at) for at in range(3)])
    [file] = log_files(tmp_path)
    content = bytearray(file.path.read_bytes())
    content[30] ^= 1
    file.path.write_bytes(content)
    with pytest.raises(CorruptArtifact, match=r"offset 0: the checksum"):
        read(tmp_path)


def test_a_file_that_is_being_written_is_read_if_asked_and_never_adopted(tmp_path: Path) -> None:
    writer = LogWriter(tmp_path, now=lambda: NOON / 1e6)
    writer.append([record(ROW)], DAY)
    assert adopt(tmp_path) == []
    assert read(tmp_path)[0] == [ROW]
    assert read(tmp_path, unfinished=False)[0] == []
    assert list((tmp_path / "2013-10-01").glob("*.tfrecord")) == []
    listed = log_files(tmp_path)
    writer.finish()
    counts = Counts()
    assert list(rows(listed, counts)) == [ROW]
    assert read(tmp_path, unfinished=False)[0] == [ROW]


def test_files_are_finished_by_size_age_and_day(tmp_path: Path) -> None:
    clock = {"now": NOON / 1e6, "monotonic": 0.0}
    writer = LogWriter(
        tmp_path, Rotation(2 * len(tfrecord.frame(record(ROW))), 60.0), lambda: clock["now"], lambda: clock["monotonic"]
    )

    def finished() -> int:
        return len(log_files(tmp_path, unfinished=False))

    writer.append([record(ROW)], DAY)
    assert finished() == 0
    writer.append([record(ROW)], DAY)
    assert finished() == 1
    writer.append([record(ROW)], DAY)
    clock["monotonic"] = 61.0
    writer.finish_if_due()
    assert finished() == 2
    writer.append([record(ROW)], DAY)
    clock["now"] += 86_400
    writer.finish_if_due()
    assert finished() == 3
    clock["now"] -= 2 * 86_400
    writer.append([record(ROW)], date(2013, 9, 30))
    writer.append([record(ROW)], DAY)
    writer.finish()
    assert finished() == 5
    assert read(tmp_path)[1].records == 6


def test_a_write_that_fails_leaves_no_part_of_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    part = PartFile.create(tmp_path / "2013-10-01", "a.tfrecord")
    part.append(tfrecord.frame(record(ROW)))
    import os

    real = os.pwrite

    def full(handle: int, content: bytes, at: int) -> int:
        if at > part.size:
            raise OSError(28, "No space left on device")
        return real(handle, content[:7], at)

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(OSError, match="No space"):
        part.append(tfrecord.frame(record(ROW)))
    monkeypatch.undo()
    assert part.path.stat().st_size == part.size
    part.append(tfrecord.frame(record(replace(ROW, row=1))))
    part.finish()
    assert [row.row for row in read(tmp_path)[0]] == [0, 1]


def test_a_file_without_records_is_not_kept(tmp_path: Path) -> None:
    part = PartFile.create(tmp_path / "2013-10-01", "a.tfrecord")
    assert part.finish() is None
    assert list((tmp_path / "2013-10-01").iterdir()) == []


def test_a_folder_that_is_not_here_has_no_files_and_an_address_is_refused(tmp_path: Path) -> None:
    assert log_files(tmp_path / "none") == []
    with pytest.raises(UsageError, match="copy the days"):
        log_files(Path("s3://bucket/predictions"))
