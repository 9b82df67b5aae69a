"""Whatever happens to the writer of a prediction log, the rows before its last write are read, and nothing else is."""

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from artifacts.examples import tfrecord
from artifacts.prediction_log import names
from artifacts.prediction_log.conversion import convert, left_files, open_examples
from artifacts.prediction_log.part_file import PartFile
from artifacts.prediction_log.reader import Counts, LogRow, log_files, rows
from artifacts.prediction_log.rotation import Rotation
from artifacts.prediction_log.summary import Summary
from artifacts.prediction_log.writer import LogWriter, record, write_rows
from core.errors import CorruptArtifact, UsageError
from tests.logged_rows import packed

NOON = 1_380_628_800_000_000
"""2013-10-01T12:00:00Z, in microseconds since 1970."""
DAY = date(2013, 10, 1)
ROW = LogRow(
    "abc/0",
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


@pytest.mark.nightly("a file is read again for each of its bytes")
def test_a_file_that_is_cut_anywhere_loses_its_last_record_alone(tmp_path: Path) -> None:
    whole = [tfrecord.frame(packed(replace(ROW, key=f"abc/{at}", row=at))) for at in range(3)]
    finished = b"".join(tfrecord.frame(record(replace(ROW, key=f"abc/{at}", row=at))) for at in range(2))
    folder = tmp_path / "2013-10-01"
    folder.mkdir()
    before = len(whole[0]) + len(whole[1])
    content = b"".join(whole)
    for end in range(before, len(content)):
        for tail in (b"", b"\0" * 20):
            (folder / ".a.columns").write_bytes(content[:end] + tail)
            found, counts = read(tmp_path)
            is_torn = end > before or bool(tail)
            assert [row.row for row in found[:2]] == [0, 1]
            assert len(found) == 2
            assert counts.torn == is_torn
            if end % 64 == 0:  # it waits for the disk
                [part] = left_files(tmp_path)
                final = convert(part)
                assert final == folder / "a.tfrecord"
                assert final.read_bytes() == finished
                final.unlink()


def test_a_damaged_record_in_the_middle_is_an_error_and_not_a_torn_end(tmp_path: Path) -> None:
    write_rows(tmp_path, [replace(ROW, row=at) for at in range(3)])
    [file] = log_files(tmp_path)
    content = bytearray(file.path.read_bytes())
    content[30] ^= 1
    file.path.write_bytes(content)
    with pytest.raises(CorruptArtifact, match=r"offset 0: the checksum"):
        read(tmp_path)


def test_a_file_that_is_being_written_is_read_if_asked_and_not_finished_by_others(tmp_path: Path) -> None:
    writer = LogWriter(tmp_path, now=lambda: NOON / 1e6)
    writer.append(packed(ROW), DAY)
    [part] = left_files(tmp_path)
    assert convert(part) is None
    assert read(tmp_path)[0] == [ROW]
    assert read(tmp_path, unfinished=False)[0] == []
    assert list((tmp_path / "2013-10-01").glob("*.tfrecord")) == []
    listed = log_files(tmp_path)
    writer.finish()
    assert read(tmp_path)[0] == [ROW]
    assert convert(part) is not None
    assert left_files(tmp_path) == []
    counts = Counts()
    assert list(rows(listed, counts)) == [ROW]
    assert read(tmp_path, unfinished=False)[0] == [ROW]


def test_files_are_left_by_size_age_and_day(tmp_path: Path) -> None:
    clock = {"now": NOON / 1e6, "monotonic": 0.0}
    size = len(tfrecord.frame(packed(ROW)))
    writer = LogWriter(tmp_path, Rotation(2 * size, 60.0), lambda: clock["now"], lambda: clock["monotonic"])

    def finished() -> int:
        for part in left_files(tmp_path):
            convert(part)
        return len(log_files(tmp_path, unfinished=False))

    writer.append(packed(ROW), DAY)
    assert finished() == 0
    writer.append(packed(ROW), DAY)
    assert finished() == 1
    writer.append(packed(ROW), DAY)
    clock["monotonic"] = 61.0
    writer.finish_if_due()
    assert finished() == 2
    writer.append(packed(ROW), DAY)
    clock["now"] += 86_400
    writer.finish_if_due()
    assert finished() == 3
    clock["now"] -= 2 * 86_400
    writer.append(packed(ROW), date(2013, 9, 30))
    writer.append(packed(ROW), DAY)
    writer.finish()
    assert finished() == 5
    assert read(tmp_path)[1].records == 6


def test_a_write_that_fails_leaves_no_part_of_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    part = PartFile.create(tmp_path / "2013-10-01", "a.tfrecord")
    part.append(tfrecord.frame(packed(ROW)))
    import os

    real = os.pwrite

    def full(handle: int, content: bytes, at: int) -> int:
        if at > part.size:
            raise OSError(28, "No space left on device")
        return real(handle, content[:7], at)

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(OSError, match="No space"):
        part.append(tfrecord.frame(packed(ROW)))
    monkeypatch.undo()
    assert part.path.stat().st_size == part.size
    part.append(tfrecord.frame(packed(replace(ROW, key="abc/1", row=1))))
    part.leave()
    assert [row.row for row in read(tmp_path)[0]] == [0, 1]


def test_a_file_without_rows_is_not_kept(tmp_path: Path) -> None:
    part = PartFile.create(tmp_path / "2013-10-01", "a.tfrecord")
    part.leave()
    assert convert(part.path) is None
    assert list((tmp_path / "2013-10-01").iterdir()) == []


class _Killed(BaseException):
    """What ends a process."""


@pytest.mark.parametrize("dies_at", ["write", "replace", "unlink"])
def test_a_conversion_that_is_killed_loses_no_row_and_repeats_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dies_at: str
) -> None:
    part = _left(tmp_path, packed(ROW, replace(ROW, key="abc/1", row=1)))

    def die(*_: object, **__: object) -> None:
        raise _Killed

    with monkeypatch.context() as patch, pytest.raises(_Killed):
        if dies_at == "write":
            patch.setattr("os.fsync", die)
        else:
            patch.setattr(Path, dies_at, die)
        convert(part)
    assert [row.row for row in read(tmp_path)[0]] == [0, 1]
    convert(part)
    assert left_files(tmp_path) == []
    found, counts = read(tmp_path, unfinished=False)
    assert [row.row for row in found] == [0, 1]
    assert counts.files == 1


def test_a_file_reads_the_same_before_and_after_it_is_finished_and_says_what_is_in_it(tmp_path: Path) -> None:
    rows = [replace(ROW, key=f"abc/{at}", row=at, features={**ROW.features, "tags": [b"a", b"b"]}) for at in range(3)]
    part = _left(tmp_path, packed(*rows, queue=2), packed(replace(ROW, version=4), disk=1))
    final = part.with_name("a.tfrecord")
    with open_examples(final) as stream:
        before = stream.read()
    assert convert(part) == final
    with open_examples(final) as stream:
        assert stream.read() == before == final.read_bytes()
    assert before == b"".join(tfrecord.frame(record(row)) for row in (*rows, replace(ROW, version=4)))
    summary = Summary.read(names.summary_path(final))
    assert (summary.rows, summary.versions, summary.dropped) == (4, {3: 3, 4: 1}, {"queue": 2, "disk": 1})


def test_what_is_no_record_of_a_log_is_an_error_and_stays(tmp_path: Path) -> None:
    for content in (b"no columns", b'{"version": 1}\n', b"{}"):
        part = _left(tmp_path, content)
        with pytest.raises(CorruptArtifact, match="wanted columns of answered rows"):
            convert(part)
        assert part.exists()
        part.unlink()


def _left(folder: Path, *records: bytes) -> Path:
    """Write a file that its writer has left."""
    part = PartFile.create(folder / "2013-10-01", "a.tfrecord")
    for one in records:
        part.append(tfrecord.frame(one))
    part.leave()
    return part.path


def test_a_folder_that_is_not_here_has_no_files_and_an_address_is_refused(tmp_path: Path) -> None:
    assert log_files(tmp_path / "none") == []
    with pytest.raises(UsageError, match="copy the days"):
        log_files(Path("s3://bucket/predictions"))
