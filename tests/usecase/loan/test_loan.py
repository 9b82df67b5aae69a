"""The quarters hold every application, codes for "unknown" are missing, and groups are no inputs."""

import csv
from collections import Counter

import pytest

from artifacts.model.schema_features import schema_features
from artifacts.schema.schema_file import read_schema
from pipelines.config import USECASES
from usecases.loan.data import COLUMNS, PATTERN, SPANS, write_spans


@pytest.fixture(scope="module")
def applications(tmp_path_factory: pytest.TempPathFactory) -> list[list[dict[str, str]]]:
    folder = tmp_path_factory.mktemp("loan")
    write_spans(folder)
    quarters = []
    for span in SPANS:
        with (folder / PATTERN.replace("{SPAN}", str(span))).open(encoding="utf-8", newline="") as stream:
            quarters.append(list(csv.DictReader(stream)))
    return quarters


def test_the_quarters_hold_every_application(applications: list[list[dict[str, str]]]) -> None:
    assert [len(quarter) for quarter in applications] == [498, 498, 498, 495]
    assert tuple(applications[0][0]) == COLUMNS


def test_groups_are_those_of_the_source(applications: list[list[dict[str, str]]]) -> None:
    rows = [row for quarter in applications for row in quarter]
    assert Counter(row["race"] for row in rows) == {"white": 1681, "black": 197, "hispanic": 111}
    assert Counter(row["sex"] for row in rows) == {"male": 1605, "female": 369, "": 15}
    assert Counter(row["approved"] for row in rows) == {"1": 1745, "0": 244}


def test_codes_for_unknown_are_missing(applications: list[list[dict[str, str]]]) -> None:
    rows = [row for quarter in applications for row in quarter]
    assert max(float(row["term_months"] or 0) for row in rows) == 480
    assert max(float(row["credit_lines"] or 0) for row in rows) == 55
    assert {row["meets_guidelines"] for row in rows} == {"", "0", "1"}


def test_no_request_has_a_group_or_the_label() -> None:
    schema = read_schema(str(USECASES / "loan" / "schema.pbtxt"))
    inputs = {feature.name for feature in schema_features(schema, "approved")}
    assert not inputs & {"sex", "race", "approved"}
    assert len(inputs) == 23
