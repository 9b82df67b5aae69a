"""The prediction log of one server: records are appended to two files, which are left and converted."""

from dataclasses import replace
from datetime import date
from pathlib import Path

from artifacts.prediction_log import names
from artifacts.prediction_log.conversion import convert, left_files
from artifacts.prediction_log.reader import Counts, LogRow, log_files, rows
from artifacts.prediction_log.writer import LogWriter
from tests.logged_rows import packed
from tests.sweeps.faults.child import Seen

_NOON = 1_380_628_800_000_000
_DAY = date(2013, 10, 1)
_RECORDS = 4
_ROW = LogRow("abc/0", "abc", 0, _NOON, 3, names.CHAMPION, {"carrier": [b"UA"]}, {"prediction": [0.25]})


class Log:
    """Afterwards the log has every record whose append returned, none twice, and none that failed."""

    def __init__(self, folder: Path, seen: Seen) -> None:
        folder.mkdir(parents=True)
        self._folder, self._seen = folder / "log", seen

    def act(self) -> None:
        """Append as the server does, which goes on after an error; the first error is raised at the end."""
        errors: list[OSError] = []
        writer = LogWriter(self._folder, now=lambda: _NOON / 1e6)
        for at in range(_RECORDS):
            try:
                writer.append(packed(replace(_ROW, key=f"abc/{at}", row=at)), _DAY)
                self._seen.note(at)
                if at == _RECORDS // 2:
                    writer.finish()
            except OSError as error:
                errors.append(error)
        try:
            writer.finish()
            for part in left_files(self._folder):
                convert(part)
        except OSError as error:
            errors.append(error)
        if errors:
            raise errors[0]

    def problems(self) -> list[str]:
        """Read what is there, let another process convert what was left, and read it again."""
        wanted = {at for at in range(_RECORDS) if self._seen.has(at)}
        found = self._wrong("before it is converted", wanted)
        for part in left_files(self._folder):
            convert(part)
        found += self._wrong("after it was converted", wanted)
        if left := left_files(self._folder):
            found.append(f"files are left: {left}")
        return found

    def _wrong(self, when: str, wanted: set[int]) -> list[str]:
        there = [row.row for row in rows(log_files(self._folder), Counts())]
        if len(there) != len(set(there)):
            return [f"{when} a row is there twice: {there}"]
        # The one whose append was killed may be in the file although nobody was told.
        extra = set(there) - wanted
        if wanted - set(there) or len(extra) > 1:
            return [f"{when} rows {there} are there, wanted {sorted(wanted)}"]
        return []
