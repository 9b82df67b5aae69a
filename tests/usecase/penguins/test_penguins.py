"""The seasons hold every penguin, and a measure that was not taken is missing, not a word."""

import csv
from pathlib import Path

import pytest

from usecases.penguins.data import COLUMNS, PATTERN, SPANS, write_spans


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("penguins")
    write_spans(folder)
    return folder


def season(folder: Path, span: int) -> list[dict[str, str]]:
    with (folder / PATTERN.replace("{SPAN}", str(span))).open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_the_seasons_hold_every_penguin(folder: Path) -> None:
    assert [len(season(folder, span)) for span in SPANS] == [110, 114, 120]


def test_what_was_not_measured_is_empty(folder: Path) -> None:
    rows = [row for span in SPANS for row in season(folder, span)]
    assert "NA" not in {cell for row in rows for cell in row.values()}
    assert {name: sum(not row[name] for row in rows) for name in COLUMNS} == {
        "species": 0,
        "island": 0,
        "bill_length_mm": 2,
        "bill_depth_mm": 2,
        "flipper_length_mm": 2,
        "body_mass_g": 2,
        "sex": 11,
    }
