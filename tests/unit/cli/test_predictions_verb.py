"""`mlops predictions` counts what is logged by what is beside the files, finished or not."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from artifacts.examples import tfrecord
from artifacts.prediction_log import names
from artifacts.prediction_log.conversion import convert
from artifacts.prediction_log.part_file import PartFile
from artifacts.prediction_log.reader import LogRow
from artifacts.prediction_log.writer import LogWriter, write_rows
from mlops.cli.main import cli
from tests.logged_rows import packed

NOON = 1_380_628_800_000_000
DAY_US = 86_400_000_000
ROW = LogRow("a/0", "a", 0, NOON, 3, "champion", {"hour": [5]}, {"prediction": [0.5]})


def _predictions(home: Path, *arguments: str) -> str:
    done = CliRunner().invoke(cli, ["predictions", *arguments], env={"MLOPS_HOME": str(home)}, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def _days(home: Path, *arguments: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(_predictions(home, *arguments, "--json"))["days"]
    return found


def _left(folder: Path, day_us: int, *records: bytes) -> Path:
    part = PartFile.create(names.day_folder(folder, names.day_of(day_us)), f"{len(records)}-{day_us}.tfrecord")
    for one in records:
        part.append(tfrecord.frame(one))
    part.leave()
    return part.path


def test_finished_files_and_those_that_are_written_are_counted(tmp_path: Path) -> None:
    folder = names.log_folder(tmp_path, "flight_delay")
    convert(_left(folder, NOON, packed(ROW, ROW, queue=2), packed(replace(ROW, version=4), disk=1)))
    writer = LogWriter(folder, now=lambda: NOON / 1e6)
    writer.append(packed(replace(ROW, version=4), queue=5), names.day_of(NOON))
    _left(folder, NOON + DAY_US, packed(ROW)).write_bytes(tfrecord.frame(packed(ROW)) + b"torn")
    write_rows(names.log_folder(tmp_path, "penguins"), [ROW, ROW])
    first, second, other = _days(tmp_path)
    size = sum(path.stat().st_size for path in (folder / "2013-10-01").iterdir() if path.suffix != ".json")
    assert first == {
        "model": "flight_delay", "day": "2013-10-01", "rows": 4, "versions": {"3": 2, "4": 2}, "version_unknown": 0,
        "dropped": {"disk": 1, "queue": 7}, "files": 2, "unfinished": 1, "bytes": size,
    }  # fmt: skip
    assert (second["day"], second["rows"], second["unfinished"]) == ("2013-10-02", 1, 1)
    assert (other["rows"], other["versions"], other["version_unknown"]) == (2, {}, 2)
    assert _days(tmp_path, "penguins") == [other]
    shown = _predictions(tmp_path).splitlines()
    assert "disk: 1, queue: 7" in shown[1]
    assert "1 of 2 files not finished" in shown[1]
    writer.finish()


def test_what_was_dropped_while_nothing_could_be_written_is_counted(tmp_path: Path) -> None:
    folder = names.log_folder(tmp_path, "flight_delay")
    convert(_left(folder, NOON, packed(ROW)))
    names.summary_path(folder / "2013-10-01" / "b.tfrecord").write_text(
        '{"rows": 0, "versions": {}, "dropped": {"disk": 9}}'
    )
    [day] = _days(tmp_path, "flight_delay")
    assert (day["rows"], day["dropped"], day["files"]) == (1, {"disk": 9}, 1)


def test_where_nothing_is_logged_it_says_how_to(tmp_path: Path) -> None:
    assert "mlops serve flight_delay --prediction-log" in _predictions(tmp_path)
    assert _days(tmp_path, "flight_delay") == []


def test_it_imports_nothing_that_computes(tmp_path: Path) -> None:
    write_rows(names.log_folder(tmp_path, "flight_delay"), [ROW])
    code = (
        "import sys; from mlops.cli.main import cli; cli(['predictions'], standalone_mode=False); "
        "print(sorted({'numpy', 'pyarrow', 'pandas', 'tensorflow'} & sys.modules.keys()))"
    )
    environment = {"MLOPS_HOME": str(tmp_path), "PATH": ""}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
