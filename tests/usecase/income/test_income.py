"""The quarters hold every answer once, what nobody answered is missing, and groups are no inputs."""

import csv

import pytest

from artifacts.model.schema_features import schema_features
from artifacts.schema.schema_file import read_schema
from pipelines.config import USECASES
from usecases.income.data import COLUMNS, PATTERN, SPANS, write_spans


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> list[list[dict[str, str]]]:
    folder = tmp_path_factory.mktemp("income")
    write_spans(folder)
    quarters = []
    for span in SPANS:
        with (folder / PATTERN.replace("{SPAN}", str(span))).open(encoding="utf-8", newline="") as stream:
            quarters.append(list(csv.DictReader(stream)))
    return quarters


def test_the_quarters_hold_every_answer(answers: list[list[dict[str, str]]]) -> None:
    assert [len(quarter) for quarter in answers] == [8141, 8141, 8141, 8138]
    assert tuple(answers[0][0]) == COLUMNS


def test_what_nobody_answered_is_empty(answers: list[list[dict[str, str]]]) -> None:
    rows = [row for quarter in answers for row in quarter]
    assert "?" not in {cell for row in rows for cell in row.values()}
    missing = {name: sum(not row[name] for row in rows) for name in COLUMNS}
    assert {name: count for name, count in missing.items() if count} == {
        "workclass": 1836,
        "occupation": 1843,
        "native_country": 583,
    }


def test_no_request_has_a_group() -> None:
    schema = read_schema(str(USECASES / "income" / "schema.pbtxt"))
    inputs = {feature.name for feature in schema_features(schema, "income")}
    assert not inputs & {"sex", "race", "income"}
    assert len(inputs) == 10
