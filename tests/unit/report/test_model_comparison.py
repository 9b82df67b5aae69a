"""The page of two models shows every number of both, and says which way each moved."""

from pathlib import Path

import pytest

from mlops.actions.model_comparison.compared import ComparedModel, Cost, Line, ModelComparison
from mlops.report.model_comparison import number, write_comparison

COST = Cost(100_387, 34_891, 281.4, 900.0)


@pytest.mark.parametrize(
    ("before", "after", "more_is_better", "direction"),
    [
        (0.7, 0.8, True, "better"),
        (0.7, 0.8, False, "worse"),
        (0.7, 0.7, True, "same"),
        (0.7, 0.8, None, ""),
        (None, 0.8, True, ""),
    ],
)
def test_a_number_moves_in_the_direction_that_its_metric_says(
    before: float | None, after: float, more_is_better: bool | None, direction: str
) -> None:
    assert Line("auc", before, after, more_is_better).direction == direction


def test_the_page_has_quality_slices_groups_and_costs_of_both(tmp_path: Path) -> None:
    comparison = ModelComparison(
        before=ComparedModel("flight_delay@1", "sha256:1", COST, Cost(None, None, None, None)),
        after=ComparedModel("<b>@2", "sha256:2", COST, COST),
        run_id="flight-delay-1",
        rows=27_564,
        metric="auc",
        gain=(-0.001, 0.0023, None),
        skill="AUC",
        metrics=(Line("auc", 0.6747, 0.6769, True),),
        slices=(Line("auc", 0.6138, 0.6093, True, "carrier=US", 1698),),
        gaps=(Line("recall between origins", 0.0906, 0.0896, False),),
        costs=(Line("TFLite: bytes after gzip", None, 12_301.0, False),),
    )
    page = write_comparison(comparison.as_json(), tmp_path / "page.html").read_text(encoding="utf-8")
    for shown in ("0.6747", "carrier=US", "1,698 rows", "recall between origins", "12,301", "better", "worse"):
        assert shown in page
    assert "<b>@2" not in page, "names are escaped"


@pytest.mark.parametrize(
    ("value", "shown"),
    [(None, "–"), (27_564.0, "27,564"), (0.67691, "0.6769"), (281.44, "281.4"), (-0.0045, "-0.0045")],
)
def test_numbers_are_readable(value: float | None, shown: str) -> None:
    assert number(value) == shown
