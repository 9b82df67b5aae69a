"""`mlops predict`: a file of raw rows gets a prediction each, or the error names file, line and column."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from core.backends.registry import open_registry
from core.errors import DataError, EmptyDataset, MlopsError
from core.store import Store
from mlops.cli.predict import predict

ROWS: list[dict[str, Any]] = [
    {"carrier": "AA", "hour": 17, "distance": 1089.0, "temp": 55.9},
    {"carrier": "ZZ", "hour": 3, "distance": 500.0},
]
CSV = "late,distance,carrier,hour,temp\n1,1089,AA,17,55.9\n0,500,ZZ,3,\n"
JSONL = "\n".join(json.dumps(row | {"late": 1}) for row in ROWS) + "\n\n"


@pytest.fixture(scope="module")
def store(exported: Path, tmp_path_factory: pytest.TempPathFactory) -> Store:
    found = Store(tmp_path_factory.mktemp("home"))
    registry = open_registry(str(found.models))
    registry.promote("flight_delay", registry.publish("flight_delay", exported / "a", {}).version)
    registry.publish("flight_delay", exported / "b", {})
    return found


def run(store: Store, file: Path, *arguments: str) -> Result:
    result = CliRunner().invoke(predict, ["flight_delay", str(file), *arguments], obj=store)
    if isinstance(result.exception, MlopsError):
        raise result.exception
    assert result.exit_code == 0, result
    return result


def written(tmp_path: Path, name: str, content: str | bytes) -> Path:
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_csv_and_json_lines_give_the_same_predictions_as_the_server(store: Store, tmp_path: Path) -> None:
    by_csv = json.loads(run(store, written(tmp_path, "a.csv", b"\xef\xbb\xbf" + CSV.encode()), "--json").stdout)
    by_lines = json.loads(run(store, written(tmp_path, "a.jsonl", JSONL), "--json").stdout)
    assert (by_csv["model"], by_csv["version"], by_csv["rows"]) == ("flight_delay", 1, 2)
    assert by_csv["predictions"] == by_lines["predictions"]
    assert by_csv["predictions"][0][0] == pytest.approx(0.8153, abs=0.001)
    other = json.loads(run(store, written(tmp_path, "a.csv", CSV), "--json", "--version", "2").stdout)
    assert other["predictions"] != by_csv["predictions"]


def test_a_parquet_file_gives_the_same_predictions_and_names_a_bad_row(store: Store, tmp_path: Path) -> None:
    import pyarrow_hotfix  # noqa: F401
    import pyarrow as pa
    import pyarrow.parquet as pq

    file = tmp_path / "a.parquet"
    pq.write_table(pa.Table.from_pylist(ROWS), file)
    by_csv = json.loads(run(store, written(tmp_path, "a.csv", CSV), "--json").stdout)
    assert json.loads(run(store, file, "--json").stdout)["predictions"] == by_csv["predictions"]
    pq.write_table(pa.Table.from_pylist([*ROWS, ROWS[1] | {"hour": None}]), file)
    with pytest.raises(DataError, match=r"a.parquet: row 3: feature 'hour': wanted 1 value, got 0"):
        run(store, file)
    pq.write_table(pa.Table.from_pylist([{"carier": "AA", "hour": 1, "distance": 1.0}]), file)
    with pytest.raises(DataError, match=r"a.parquet: unknown column 'carier'; did you mean 'carrier'"):
        run(store, file)


def test_predictions_are_printed_or_written_whole(store: Store, tmp_path: Path) -> None:
    file = written(tmp_path, "a.csv", CSV)
    printed = run(store, file).stdout
    assert printed.startswith("row,prediction\n1,0.8153")
    assert run(store, file, "-o", str(tmp_path / "out" / "p.csv")).stdout.startswith(
        "2 rows predicted by flight_delay version 1"
    )
    assert (tmp_path / "out" / "p.csv").read_text() == printed
    run(store, file, "-o", str(tmp_path / "p.jsonl"))
    lines = [json.loads(line) for line in (tmp_path / "p.jsonl").read_text().splitlines()]
    assert [line["row"] for line in lines] == [1, 2]


def row(**change: str) -> str:
    cells = {"late": "1", "distance": "1089", "carrier": "AA", "hour": "17", "temp": "55.9"} | change
    return CSV + ",".join(cells.values()) + "\n"


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (row(hour="17.5"), "a.csv:4:4: column 'hour': wanted an INT"),
        (row(hour=" 17"), "a.csv:4:4: column 'hour': wanted an INT"),
        (row(hour="9223372036854775808"), "a.csv:4:4: column 'hour': wanted an INT of 64 bits"),
        (row(hour=""), "a.csv:4:4: column 'hour': this feature is required, got ''"),
        (row(distance="nan"), "a.csv:4:2: column 'distance': wanted a finite number, got 'nan'"),
        (row(distance="1e40"), "a.csv:4:2: column 'distance': wanted a number that fits 32 bits"),
        (row(temp="1_0"), "a.csv:4:5: column 'temp': wanted a FLOAT"),
        (row(temp="1,2"), "a.csv:4: wanted 5 cells as in the header, got 6"),
        (CSV.replace("carrier", "carier"), "a.csv:1: unknown column 'carier'; did you mean 'carrier'?"),
        (CSV.replace("late,", "carrier,"), "a.csv:1:3: wanted a header without repeats, got 'carrier' again"),
        ("late,distance,hour\n1,5,6\n", "a.csv:1: wanted columns for all required features, got none for carrier"),
    ],
)
def test_a_bad_cell_is_named_and_nothing_is_written(store: Store, tmp_path: Path, content: str, error: str) -> None:
    with pytest.raises(DataError) as raised:
        run(store, written(tmp_path, "a.csv", content), "-o", str(tmp_path / "p.csv"))
    assert str(raised.value).startswith(f"{tmp_path}/{error}")
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]


@pytest.mark.parametrize(
    ("line", "error"),
    [
        (
            '{"carrier": "AA", "hour": 1.5, "distance": 1}',
            "a.jsonl:3: feature 'hour': wanted an integer that int64 holds, got 1.5",
        ),
        (
            '{"carrier": "AA", "hour": 1, "distance": NaN}',
            "a.jsonl:3: feature 'distance': wanted a finite number, got NaN",
        ),
        ('{"carrier": "AA", "hour": 1}', "a.jsonl:3: missing feature 'distance'"),
        ('{"carier": "AA", "hour": 1, "distance": 1}', "a.jsonl:3: unknown feature 'carier'; did you mean 'carrier'?"),
        ('{"hour": 1, "hour": 2}', "a.jsonl:3: the key 'hour' appears twice"),
        ("{", "a.jsonl:3: wanted one JSON object in a line, got Expecting property name"),
        ("[]", "a.jsonl:3: wanted one JSON object in a line, got list"),
    ],
)
def test_a_bad_line_is_named(store: Store, tmp_path: Path, line: str, error: str) -> None:
    with pytest.raises(DataError) as raised:
        run(store, written(tmp_path, "a.jsonl", JSONL.rstrip() + "\n" + line + "\n"))
    assert str(raised.value).startswith(f"{tmp_path}/{error}")


@pytest.mark.parametrize(
    ("name", "content"), [("a.csv", ""), ("a.csv", "carrier,hour,distance\n"), ("a.jsonl", ""), ("a.jsonl", "\n\n")]
)
def test_a_file_without_rows_is_an_error(store: Store, tmp_path: Path, name: str, content: str) -> None:
    with pytest.raises(EmptyDataset):
        run(store, written(tmp_path, name, content))


def test_no_champion_says_what_to_run_first(tmp_path: Path) -> None:
    with pytest.raises(MlopsError, match="run `mlops run flight_delay` first"):
        run(Store(tmp_path), written(tmp_path, "a.csv", CSV))


def test_a_taken_port_is_an_error() -> None:
    from serving.http.listener import listen

    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(MlopsError, match=f"cannot listen on 127.0.0.1:{port}: Address already in use"):
            listen("127.0.0.1", port)
    with pytest.raises(MlopsError, match="--host no"):
        listen("no.such.host.invalid", 0)
