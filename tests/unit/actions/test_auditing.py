"""A row that is deleted by its key is gone from spans, labels, outcomes and the log, and nothing else is."""

import json
from pathlib import Path
from typing import Any

import pyarrow_hotfix  # noqa: F401
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

from artifacts.deletion import span_files
from artifacts.deletion.span_files import Wanted
from artifacts.examples import tfrecord
from artifacts.examples.encoder import encode
from artifacts.labels.row_key import RowKey
from artifacts.prediction_log.names import log_folder
from artifacts.prediction_log.reader import Counts, LogRow, log_files, rows
from artifacts.prediction_log.writer import write_rows
from artifacts.spans.feature_types import FeatureType
from artifacts.spans.read_options import ReadOptions
from core.backends.registry import open_registry
from core.store import Store
from mlops.actions.auditing.deletion import JOURNAL
from mlops.cli.main import cli

TYPES = {"name": FeatureType("BYTES"), "load": FeatureType("FLOAT")}
NAMES = [f"flight {number}" for number in range(9_000)]
BY_COLUMN, BY_DIGEST = RowKey(("name",), ()), RowKey((), ("load", "name"))


def _parquet(path: Path, names: list[str]) -> None:
    table = pa.table({"name": names, "load": [float(at) for at in range(len(names))], "late": [1] * len(names)})
    pq.write_table(table, path, row_group_size=1000)


def _csv(path: Path, names: list[str]) -> None:
    lines = [f'"{name}",{at}.0,1\r\n' for at, name in enumerate(names)]
    path.write_bytes(("\ufeffname,load,late\r\n" + "".join(lines)).encode())


def _tfrecord(path: Path, names: list[str]) -> None:
    loads = pa.array([float(at) for at in range(len(names))], pa.float32())
    batch = pa.RecordBatch.from_arrays([loads, pa.array(names, pa.binary())], ["load", "name"])
    path.write_bytes(b"".join(map(tfrecord.frame, encode(batch).to_pylist())))


WRITERS = {"parquet": _parquet, "csv": _csv, "tfrecord": _tfrecord}


@pytest.mark.parametrize("row_key", [BY_COLUMN, BY_DIGEST], ids=["by column", "by digest"])
@pytest.mark.parametrize("format", WRITERS)
def test_every_row_but_the_one_of_the_key_stays_as_it_is(tmp_path: Path, format: str, row_key: RowKey) -> None:
    path, expected = tmp_path / "span", tmp_path / "expected"
    WRITERS[format](path, NAMES)
    batch = pa.RecordBatch.from_arrays([pa.array([7000.0], pa.float32()), pa.array([b"flight 7000"])], ["load", "name"])
    key = "flight 7000" if row_key is BY_COLUMN else row_key.keys(batch)[0]
    wanted = Wanted(key, row_key, format, ReadOptions(TYPES, batch_rows=1024))
    before = path.read_bytes()
    assert span_files.count(path, wanted) == 1
    assert span_files.delete(path, wanted) == 1
    assert span_files.delete(path, wanted) == 0
    if format == "parquet":
        table = pq.read_table(path)
        assert table.column("name").to_pylist() == NAMES[:7000] + NAMES[7001:]
        assert table.schema.names == ["name", "load", "late"]
    else:
        expected.write_bytes(before)
        lines = path.read_bytes()
        cut = next(at for at in range(len(lines)) if lines[at] != before[at])
        removed = len(before) - len(lines)
        assert before[:cut] + before[cut + removed :] == lines, "what is left is byte for byte what it was"
        assert b"flight 7000" in before
        assert b"flight 7000" not in lines
    assert [one.name for one in tmp_path.iterdir() if one.name.startswith(".")] == []


def test_a_csv_record_of_several_lines_and_one_that_no_run_reads_are_kept_apart(tmp_path: Path) -> None:
    path = tmp_path / "span"
    path.write_bytes(b'name,load\n"two\nlines",1.0\nbad,not a number\ngone,2.0\n\n"also, kept",3.0')
    wanted = Wanted("gone", BY_COLUMN, "csv", ReadOptions(TYPES))
    assert span_files.delete(path, wanted) == 1
    assert path.read_bytes() == b'name,load\n"two\nlines",1.0\nbad,not a number\n\n"also, kept",3.0'


CONFIG = """
name: flights
source: {pattern: "span-{SPAN}.csv"}
problem:
  label: late
  task: binary_classification
  key: name
  metrics: [{name: auc, at_least: 0.6, why: "made for this test"}]
ingest_examples: {format: csv, window: 1}
"""
SCHEMA = """
feature { name: "name" type: BYTES not_in_environment: "SERVING" }
feature { name: "load" type: FLOAT }
feature { name: "late" type: INT not_in_environment: "SERVING" }
"""


@pytest.fixture
def usecase(tmp_path: Path, store: Store) -> str:
    folder = tmp_path / "flights"
    folder.mkdir()
    (folder / "config.yaml").write_text(CONFIG)
    (folder / "schema.pbtxt").write_text(SCHEMA)
    data = store.data / "flights"
    data.mkdir(parents=True)
    for span, names in ((1, "abc"), (2, "bcd")):
        (data / f"span-{span}.csv").write_text("name,load,late\n" + "".join(f"{name},1.0,1\n" for name in names))
    for kind in ("labels", "outcomes"):
        (store.root / kind / "flights").mkdir(parents=True)
        lines = [json.dumps({"key": key, "label": 1, "annotator": "ann"}) for key in "ab"]
        (store.root / kind / "flights" / "2026-11.jsonl").write_text("\n".join(lines) + "\ntorn")
    logged = [LogRow(key, f"r{key}", 0, 1_380_000_000_000_000, 1, "champion", {"load": [1.0]}, {}) for key in "abc"]
    write_rows(log_folder(store.root, "flights"), logged)
    for number, spans in enumerate(([1, 2], [2, 3], [3])):
        serving = tmp_path / f"model{number}"
        serving.mkdir()
        (serving / "saved_model.pb").write_text(str(number))
        open_registry(store.registry).publish("flights", serving, {"spans": spans})
    return str(folder)


def _mlops(store: Store, *arguments: str) -> Result:
    return CliRunner().invoke(cli, list(arguments), env={"MLOPS_HOME": str(store.root)})


def test_a_row_is_gone_everywhere_and_the_models_that_read_it_are_named(usecase: str, store: Store) -> None:
    done = _mlops(store, "data", "delete", usecase, "b", "--yes", "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.output)
    assert (found["spans"], found["labels"], found["outcomes"], found["logged"]) == ({"1": 1, "2": 1}, 1, 1, 1)
    assert [(one["version"], one["role"]) for one in found["models"]] == [
        (2, "trained or stopped early on it"),
        (1, "trained or stopped early on it"),
    ]
    data = store.data / "flights"
    assert [(data / f"span-{span}.csv").read_text().splitlines()[1:] for span in (1, 2)] == [
        ["a,1.0,1", "c,1.0,1"],
        ["c,1.0,1", "d,1.0,1"],
    ]
    assert (store.root / "labels" / "flights" / "2026-11.jsonl").read_text().endswith('"annotator": "ann"}\ntorn')
    log = list(rows(log_files(log_folder(store.root, "flights")), Counts()))
    assert [row.key for row in log] == ["a", "c"]
    kept = (store.root / JOURNAL).read_text()
    assert json.loads(kept)["key"].startswith("sha256:")
    again = _mlops(store, "data", "delete", usecase, "b", "--yes", "--json")
    assert json.loads(again.output)["rows"] == 0
    assert (store.root / JOURNAL).read_text() == kept, "a repetition that finds nothing is not noted"


def test_the_newest_span_only_evaluated_the_model(usecase: str, store: Store) -> None:
    found = json.loads(_mlops(store, "data", "delete", usecase, "d", "--yes", "--json").output)
    assert {one["version"]: one["role"] for one in found["models"]} == {
        2: "trained or stopped early on it",
        1: "evaluated on it",
    }


def test_without_a_terminal_nothing_is_deleted_unless_told_so(usecase: str, store: Store) -> None:
    refused = _mlops(store, "data", "delete", usecase, "b")
    assert refused.exit_code != 0
    assert "--yes" in str(refused.exception)
    assert (store.data / "flights" / "span-1.csv").read_text().count("b,") == 1


PLACES: dict[str, Any] = {
    "span": lambda root: root / "data" / "flights" / "span-1.csv",
    "labels": lambda root: root / "labels" / "flights" / "2026-11.jsonl",
    "outcomes": lambda root: root / "outcomes" / "flights" / "2026-11.jsonl",
    "models": lambda root: root / "models" / "flights" / "1" / "assets" / "vocabulary",
    "runs": lambda root: root / "runs" / "r1" / "logs" / "train.log",
}


@pytest.mark.parametrize("place", PLACES)
def test_a_planted_canary_is_found_wherever_it_lies(usecase: str, store: Store, place: str) -> None:
    assert _mlops(store, "data", "scan", usecase).exit_code == 0
    (store.runs / "r1").mkdir(parents=True)
    submission = {"usecase": "flights", "code": "sha256:0", "pipeline": "level1", "kind": "training"}
    (store.runs / "r1" / "submission.json").write_text(json.dumps(submission))
    path = PLACES[place](store.root)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as stream:
        stream.write("canary-0123456789abcdef,1.0,1\n")
    found = _mlops(store, "data", "scan", usecase, "--json")
    assert found.exit_code == 3, found.output
    assert [one["detector"] for one in json.loads(found.output)["findings"]] == ["canary"]
    assert "0123456789abcdef" not in found.output


def test_a_canary_in_the_prediction_log_is_found(usecase: str, store: Store) -> None:
    row = LogRow("k", "r", 0, 1_380_000_000_000_000, 1, "champion", {"note": [b"to jane@example.com"]}, {})
    write_rows(log_folder(store.root, "flights"), [row])
    found = json.loads(_mlops(store, "data", "scan", usecase, "--json").output)["findings"]
    assert found == [{"detector": "e-mail address", "place": "prediction log: note", "times": 1}]
