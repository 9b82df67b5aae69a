"""`mlops predict` takes the use case's own data: with times, the label, and columns that no request has."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from core.backends.registry import open_registry
from core.errors import DataError
from core.store import Store
from mlops.cli.predict import predict

CONFIG = {
    "name": "parcels",
    "source": {"pattern": "parcels-{SPAN}.csv"},
    "problem": {
        "label": "late",
        "task": "regression",
        "metrics": [{"name": "mean_absolute_error", "at_most": 1.0, "why": "no bound is tested here"}],
    },
    "ingest_examples": {
        "format": "csv",
        "missing": ["", "NA"],
        "leave_out": ["id"],
        "timestamps": {"sent": {"parts": ["hour", "month"], "format": "%d/%m/%Y %H:%M"}},
    },
}
SCHEMA = """
feature { name: "late" type: FLOAT presence { min_fraction: 1 } not_in_environment: "SERVING" }
feature { name: "sent_hour" type: INT presence { min_fraction: 1 } }
feature { name: "sent_month" type: INT presence { min_fraction: 1 } not_in_environment: "SERVING" }
feature { name: "weight" type: FLOAT presence { min_fraction: 0 } }
feature { name: "size" type: BYTES presence { min_fraction: 1 } not_in_environment: "SERVING" }
default_environment: "TRAINING" default_environment: "SERVING"
"""
ROWS: list[dict[str, Any]] = [
    {"id": "a1", "sent": "31/01/2024 17:30", "weight": 0.5, "size": "large", "late": 3.0},
    {"id": "a2", "sent": "01/02/2024 03:00", "weight": None, "size": "small", "late": 0.0},
]
PREDICTIONS = [[17.5], [3.0]]


@pytest.fixture(scope="module")
def usecase(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("parcels")
    (folder / "config.yaml").write_text(yaml.safe_dump(CONFIG))
    (folder / "schema.pbtxt").write_text(SCHEMA)
    return folder


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    import tiny_models

    found = Store(tmp_path_factory.mktemp("home"))
    saved_model = tiny_models.export_hourly(tmp_path_factory.mktemp("exported") / "hourly")
    registry = open_registry(str(found.models))
    registry.promote("parcels", registry.publish("parcels", saved_model, {}).version)
    return found


def predicted(store: Store, usecase: Path, file: Path) -> list[Any]:
    result = CliRunner().invoke(predict, [str(usecase), str(file), "--json"], obj=store)
    if result.exception is not None:
        raise result.exception
    found: list[Any] = json.loads(result.stdout)["predictions"]
    return found


def as_csv(path: Path, *rows: dict[str, Any]) -> Path:
    lines = [",".join(rows[0])]
    lines += [",".join("NA" if cell is None else str(cell) for cell in row.values()) for row in rows]
    path.write_text("\n".join(lines) + "\n")
    return path


def as_json_lines(path: Path, *rows: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def without(row: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in names}


WITH_PARTS = [
    without(ROWS[0], "sent") | {"sent_hour": 17},
    without(ROWS[1], "sent") | {"sent_hour": 3},
]
FILES = [
    ("the whole data", ROWS),
    ("only what a request has", [without(row, "id", "size", "late") for row in ROWS]),
]


@pytest.mark.parametrize(("name", "rows"), FILES, ids=[name for name, _ in FILES])
def test_a_file_of_the_use_cases_data_is_predicted(
    store: Store, usecase: Path, tmp_path: Path, name: str, rows: list[dict[str, Any]]
) -> None:
    assert predicted(store, usecase, as_csv(tmp_path / "rows.csv", *rows)) == PREDICTIONS
    assert predicted(store, usecase, as_json_lines(tmp_path / "rows.jsonl", *rows)) == PREDICTIONS


def test_a_row_may_have_the_parts_of_a_time_instead(store: Store, usecase: Path, tmp_path: Path) -> None:
    assert predicted(store, usecase, as_csv(tmp_path / "rows.csv", *WITH_PARTS)) == PREDICTIONS
    assert predicted(store, usecase, as_json_lines(tmp_path / "rows.jsonl", *WITH_PARTS)) == PREDICTIONS
    assert predicted(store, usecase, as_json_lines(tmp_path / "rows.jsonl", ROWS[0], WITH_PARTS[1])) == PREDICTIONS


@pytest.mark.parametrize(
    ("change", "messages"),
    [
        (
            {"sent": "2024-02-01"},
            (
                "3:2: column 'sent': wanted a time written as %d/%m/%Y %H:%M, got '2024-02-01'",
                "2: time 'sent': wanted a time written as %d/%m/%Y %H:%M, got '2024-02-01'",
            ),
        ),
        ({"sent": None}, ("3:2: column 'sent': this time is required", "2: time 'sent': this time is required")),
        (
            {"sent_hour": 3},
            (
                "1:6: sent_hour: a column and a part of a time have one name",
                "2: time 'sent': the row has sent_hour too",
            ),
        ),
        (
            {"wieght": 1},
            (
                "1: unknown column 'wieght'; did you mean 'weight'?",
                "2: unknown feature 'wieght'; did you mean 'weight'?",
            ),
        ),
    ],
)
def test_a_row_that_cannot_be_predicted_is_named(
    store: Store, usecase: Path, tmp_path: Path, change: dict[str, Any], messages: tuple[str, str]
) -> None:
    good = ROWS[0] | {name: 1 for name in change if name not in ROWS[0]}  # a CSV file has the same columns in all rows
    csv_file = as_csv(tmp_path / "rows.csv", good, ROWS[1] | change)
    json_file = as_json_lines(tmp_path / "rows.jsonl", ROWS[0], ROWS[1] | change)
    for file, message in zip((csv_file, json_file), messages, strict=True):
        with pytest.raises(DataError) as raised:
            predicted(store, usecase, file)
        assert str(raised.value).startswith(f"{file}:{message}")


def test_a_time_in_json_lines_is_text(store: Store, usecase: Path, tmp_path: Path) -> None:
    file = as_json_lines(tmp_path / "rows.jsonl", ROWS[0] | {"sent": 5})
    with pytest.raises(DataError) as raised:
        predicted(store, usecase, file)
    assert str(raised.value) == f"{file}:1: time 'sent': wanted a time as text, got 5"
