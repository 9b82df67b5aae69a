"""What a page shows is compared line by line with what was printed, number by number."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops.actions.learning.comparison import differences

PRINTED = """
  data   span 4, 81,234 rows
     pass  evaluate_model: all 36 checks passed.
auc    0.7012   linear 0.6512
report  /tmp/x/runs/flight-delay-level1-20130401/report.html
"""


@pytest.mark.parametrize(
    "shown",
    [
        "pass evaluate_model: all 36 checks passed.",
        "auc 0.70 linear 0.65",
        "auc 0.69 …",
        "data span 4, 80,000 rows",
        "report …/report.html",
        "…\n\nauc 0.7012 linear 0.6512\ndata span 4, 81234 rows",
    ],
)
def test_what_was_printed_is_found_whatever_its_order_and_white_space(shown: str) -> None:
    assert differences(shown, PRINTED, 0.05) == []


@pytest.mark.parametrize(
    ("shown", "says"),
    [
        ("auc 0.60 linear 0.65", "the output has 0.7012, 0.6512 (tolerance 5%)"),
        ("auc -0.7012 linear 0.6512", "0.7012"),
        ("fail evaluate_model: all 36 checks passed.", "which has 'pass evaluate_model: all 36 checks passed.'"),
        ("something else", "is not in the output"),
        ("auc 0.7012", "is not in the output"),
    ],
)
def test_what_was_not_printed_is_named(shown: str, says: str) -> None:
    (difference,) = differences(shown, PRINTED, 0.05)
    assert says in difference


def test_a_number_may_differ_by_its_last_digit_and_by_the_tolerance() -> None:
    assert differences("loss 0.02", "loss 0.0249", 0.0) == []
    assert differences("loss 0.02", "loss 0.04", 0.0)
    assert differences("rows 100", "rows 119", 0.2) == []
    assert differences("rows 100", "rows 101", 0.0)
    assert differences("gap 1e-05", "gap 1.04e-05", 0.05) == []


@given(st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"], exclude_characters="…"), min_size=1))
def test_every_line_is_like_itself_and_no_line_is_in_nothing(line: str) -> None:
    assert differences(line, f"before\n{line}\nafter", 0.0) == []
    assert differences(line, "", 0.0)
