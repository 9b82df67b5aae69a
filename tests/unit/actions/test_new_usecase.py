"""`mlops new usecase` says of any file what it is, refuses what cannot be a use case, and overwrites nothing."""

import csv
import datetime as dt
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from components.scope_use_case.logic import scope
from core.errors import DataError, MlopsError, UsageError
from core.store import Store
from core.user_code import ROOT
from mlops.actions.new_usecase import folder
from mlops.actions.new_usecase.columns import sort_columns
from mlops.actions.new_usecase.features import Features
from mlops.actions.new_usecase.folder import NewUseCaseRequest, create
from mlops.actions.new_usecase.table import Table, read_table
from mlops.actions.new_usecase.task import describe_label
from pipelines.config import load

ROWS = 120
TODAY = dt.date(2026, 11, 28)
FEATURES = Features(("x y", "age"), ("city",), ("note",), ("city",))


def write(path: Path, columns: dict[str, Sequence[Any]], delimiter: str = ",") -> Path:
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, delimiter=delimiter)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))
    return path


def table(tmp_path: Path, **columns: Sequence[Any]) -> Table:
    return read_table(write(tmp_path / "data.csv", columns))


def cycle(*values: Any) -> list[Any]:
    return [values[row % len(values)] for row in range(ROWS)]


LABELS = [
    (cycle("no", "yes", "no"), "binary_classification", "yes"),
    (cycle("ham", "ham", "eggs"), "binary_classification", "eggs"),
    (cycle(0, 1), "binary_classification", "1"),
    (cycle(1, 2, 2), "binary_classification", "1"),
    (cycle("a", "b", "c"), "multiclass_classification", ""),
    (cycle(1, 2, 3, 4, 5), "multiclass_classification", ""),
    ([row * 1.5 for row in range(ROWS)], "regression", ""),
    (list(range(ROWS)), "regression", ""),
    (cycle(0.5, 1.5, 2.5), "regression", ""),
]


@pytest.mark.parametrize(("values", "task", "positive"), LABELS)
def test_the_task_follows_from_the_label(tmp_path: Path, values: list[Any], task: str, positive: str) -> None:
    label = describe_label(table(tmp_path, y=values, x=cycle(1, 2, 3)), "y", None)
    assert (label.task, label.positive) == (task, positive)


def test_a_task_that_is_asked_for_is_taken_or_refused(tmp_path: Path) -> None:
    rows = table(tmp_path, y=cycle(1, 2, 3, 4, 5), word=cycle("a", "b", "c"))
    assert describe_label(rows, "y", "regression").task == "regression"
    with pytest.raises(UsageError, match="wanted numbers for a regression, got text such as 'a'"):
        describe_label(rows, "word", "regression")
    with pytest.raises(UsageError, match="wanted two values for a binary classification, got 5"):
        describe_label(rows, "y", "binary_classification")


def test_the_baseline_is_what_no_model_reaches(tmp_path: Path) -> None:
    rows = table(tmp_path, kind=cycle("a", "a", "a", "b", "c"), price=[float(row) for row in range(ROWS)])
    assert describe_label(rows, "kind", None).baseline_value == pytest.approx(0.6)
    assert describe_label(rows, "price", None).baseline_value == pytest.approx(30.0)


BAD_LABELS = [
    ({"y": cycle("a")}, "got 'a' in every row"),
    ({"y": cycle("a", "", "b")}, "got 40 of 120"),
    ({"y": [f"text {row}" for row in range(ROWS)]}, "got 120 different texts"),
    ({"yy": cycle("a", "b")}, "no column 'y'; did you mean 'yy'"),
]


@pytest.mark.parametrize(("columns", "says"), BAD_LABELS)
def test_a_label_that_cannot_be_one_is_refused(tmp_path: Path, columns: dict[str, list[Any]], says: str) -> None:
    with pytest.raises(MlopsError, match=says):
        describe_label(table(tmp_path, x=cycle(1, 2), **columns), "y", None)


COLUMNS: list[tuple[str, list[Any], str]] = [
    ("number", [row / 7 for row in range(ROWS)], ""),
    ("whole number", [row * row for row in range(ROWS)], ""),
    ("word", cycle("red", "green", "blue"), ""),
    ("text", [f"this is the long text number {row}" for row in range(ROWS)], ""),
    ("number with gaps", cycle(1.5, "", 2.5), ""),
    ("row number", list(range(1, ROWS + 1)), "it numbers the rows"),
    ("key", [f"K{row:05}" for row in range(ROWS)], "as in an identifier"),
    ("constant", cycle("x"), "the same value in every row"),
    ("empty", cycle(""), "no value at all"),
    ("label in other words", cycle("left", "right"), "it determines y"),
]


@pytest.mark.parametrize(("name", "values", "why"), COLUMNS, ids=[name for name, _, _ in COLUMNS])
def test_a_column_that_teaches_nothing_is_left_out(tmp_path: Path, name: str, values: list[Any], why: str) -> None:
    found = sort_columns(table(tmp_path, y=cycle("a", "b"), **{name: values}), "y")
    assert why in found.left_out.get(name, "")
    assert (name in found.left_out) == bool(why)
    assert found.leaks == (("label in other words",) if name == "label in other words" else ())


def test_times_become_their_parts(tmp_path: Path) -> None:
    days = [f"2024-01-{1 + row % 28:02}" for row in range(ROWS)]
    rows = table(
        tmp_path, y=cycle("a", "b"), day=days, at=[f"{day}T07:{row % 60:02}:00" for row, day in enumerate(days)]
    )
    assert sort_columns(rows, "y").times == {"day": ("month", "day_of_week"), "at": ("month", "day_of_week", "hour")}


FORMS = [(",", "1,5"), (";", "a,b"), ("\t", "x"), ("|", "x")]


@pytest.mark.parametrize(("delimiter", "cell"), FORMS)
def test_the_delimiter_is_found_in_the_header(tmp_path: Path, delimiter: str, cell: str) -> None:
    path = write(tmp_path / "data.csv", {"a b": cycle(cell, "z"), "y": cycle(1, 2)}, delimiter)
    found = read_table(path)
    assert found.delimiter == delimiter
    assert list(found.columns["a b"][:2]) == [cell, "z"]


def test_words_for_missing_are_found(tmp_path: Path) -> None:
    rows = table(tmp_path, x=cycle("1", "NA"), word=cycle("?", "a"), number=cycle("?", "2.5"))
    assert rows.missing == ("", "?", "NA")
    assert rows.columns["x"][1] is None


@pytest.mark.parametrize("name", ["Bad", "1st", "a-b", "", "a" * 42, "../up"])
def test_a_bad_name_is_refused_with_what_is_allowed(tmp_path: Path, name: str) -> None:
    request = NewUseCaseRequest(name, tmp_path / "x.csv", "y", tmp_path / "new", TODAY)
    with pytest.raises(UsageError, match="wanted a lower-case letter"):
        create(request, Store(tmp_path / "home"))


@pytest.fixture
def no_schema(monkeypatch: pytest.MonkeyPatch) -> None:
    """What TensorFlow Data Validation would say, without importing it."""
    monkeypatch.setattr(folder, "_write_schema", lambda *_: FEATURES)


def request_for(tmp_path: Path, values: list[Any]) -> NewUseCaseRequest:
    columns = {
        "the answer": values,
        "x y": cycle(1.5, "", 3, 4),
        "city": cycle("Rome", "Oslo", "Lima", "Bern"),
        "note": cycle("a b c"),
    }
    source = write(tmp_path / "rows.csv", columns, ";")
    return NewUseCaseRequest("first", source, "the answer", tmp_path / "new" / "first", TODAY)


@pytest.mark.usefixtures("no_schema")
@pytest.mark.parametrize("values", [values for values, _, _ in LABELS])
def test_what_is_written_is_valid_and_its_scope_is_complete(tmp_path: Path, values: list[Any]) -> None:
    made = create(request_for(tmp_path, values), Store(tmp_path / "home"))
    usecase = load(made.folder)
    assert scope(usecase.scope_use_case, tmp_path / "decision.json").is_open
    assert usecase.ingest_examples.delimiter == ";"
    assert usecase.ingest_examples.leave_out == ("note",)
    compile((made.folder / "module.py").read_text(encoding="utf-8"), "module.py", "exec")
    assert "TODO" not in (made.folder / "README.md").read_text(encoding="utf-8")
    assert made.data.read_bytes() == (tmp_path / "rows.csv").read_bytes()


@pytest.mark.parametrize("features", [("numbers",), ("categories",), ("texts",), ("numbers", "categories", "texts")])
def test_the_code_keeps_the_rules_of_this_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, features: tuple[str, ...]
) -> None:
    names = tuple(f"a rather long name of a column {number}" for number in range(20))
    found = Features(*(names if kind in features else () for kind in ("numbers", "categories", "texts")), ())
    monkeypatch.setattr(folder, "_write_schema", lambda *_: found)
    for number, (values, _, _) in enumerate(LABELS):
        request = request_for(tmp_path, values)
        create(replace(request, folder=tmp_path / f"case_{number}"), Store(tmp_path / f"home-{number}"))
    ruff = Path(sys.executable).with_name("ruff")
    for verb in (["check", "--output-format=concise"], ["format", "--diff"]):
        command = [str(ruff), *verb, "--no-cache", "--config", str(ROOT / "pyproject.toml"), str(tmp_path)]
        checked = subprocess.run(command, capture_output=True, text=True, check=False)
        assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.usefixtures("no_schema")
def test_nothing_is_overwritten(tmp_path: Path) -> None:
    request, store = request_for(tmp_path, cycle(0, 1)), Store(tmp_path / "home")
    made = create(request, store)
    before = {path: path.read_bytes() for path in made.folder.iterdir()}
    with pytest.raises(UsageError, match="exists and is not overwritten"):
        create(request, store)
    assert before == {path: path.read_bytes() for path in made.folder.iterdir()}


def test_after_an_error_nothing_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise DataError("no")

    monkeypatch.setattr(folder, "_write_schema", fails)
    store = Store(tmp_path / "home")
    with pytest.raises(DataError, match="no"):
        create(request_for(tmp_path, cycle(0, 1)), store)
    assert not list((tmp_path / "new").iterdir())
    assert not (store.data / "first").exists()
