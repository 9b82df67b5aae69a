"""The score follows from the rows; the page, the JSON and the badge say the same."""

import json

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from core.decision import Check, Verdict
from core.errors import UsageError
from mlops.actions.scoring import scoring
from mlops.actions.scoring.badge import badge
from mlops.actions.scoring.rows import Findings, Result, Row, Score, Section
from mlops.actions.scoring.table import ROWS
from mlops.cli.trust.score import score as score_verb
from mlops.report.score import Bar, ScorePage, ScoreRow, write_score
from tests.unit.actions.scoring.healthy import Healthy

_VERDICTS = st.lists(st.sampled_from([0.0, 0.5, 1.0]), min_size=28, max_size=28)


def _result(row: Row, verdict: float) -> Result:
    seen = {1.0: Verdict.PASS, 0.5: Verdict.UNDECIDED, 0.0: Verdict.FAIL}[verdict]
    return Result(row, Findings((Check(rule="a rule", verdict=seen),), documented="a page"))


@given(_VERDICTS)
def test_the_score_is_that_of_the_worst_section(verdicts: list[float]) -> None:
    found = Score("flights", tuple(map(_result, ROWS, verdicts)))
    sums = [sum(verdicts[start : start + 7]) for start in range(0, 28, 7)]
    assert [found.points(section) for section in Section] == sums
    assert found.final == min(sums)
    assert ("exceptional" in found.band) == (found.final > 5)


def test_there_are_seven_rows_in_each_section() -> None:
    assert [[row.section for row in ROWS].count(section) for section in Section] == [7, 7, 7, 7]
    assert {row.id for row in ROWS if row.simulated} == {"M2", "Mon7"}


def test_a_healthy_project_has_28_points_in_json_and_on_the_page(made: Healthy) -> None:
    subject = made.subject()
    found = scoring.score(subject, measure=False)
    assert found.final == 7, [(result.row.id, result.why) for result in found.results if result.verdict < 1]
    facts = json.loads(json.dumps(scoring.as_json(subject, found), allow_nan=False))
    assert facts["sections"] == {section.value: 7 for section in Section}
    assert all(row["checks"] for row in facts["rows"])
    assert all(one["digest"].startswith("sha256:") for row in facts["rows"] for one in row["evidence"])
    page = scoring.write_page(subject, found).read_text(encoding="utf-8")
    assert all(row.title.replace("'", "&#39;") in page for row in ROWS)
    assert page.count('aria-label="') >= 4
    assert "(simulated)" in page


def test_the_page_escapes_what_a_use_case_says(made: Healthy) -> None:
    row = ScoreRow(
        "D1",
        "features and data",
        "title",
        0.0,
        "<script>alert(1)</script>",
        "",
        False,
        "mlops",
        (("<b>", "<i>", "fail"),),
        (),
    )
    page = ScorePage("flights", 0.0, "band", (), (Bar("features and data", 0.0),), (row,))
    text = write_score(page, made.root / "pages" / "score.html").read_text(encoding="utf-8")
    assert "<script>" not in text
    assert "&lt;script&gt;" in text
    assert "<td><b>" not in text


def test_an_unknown_row_is_a_usage_error_that_names_the_nearest() -> None:
    assert [row.id for row in scoring.chosen_rows(["mon3", "D1"])] == ["Mon3", "D1"]
    with pytest.raises(UsageError, match="wanted one of D1"):
        scoring.chosen_rows(["D9"])


@pytest.mark.parametrize("score", [0.0, 4.5, 6.5, 7.0])
def test_a_badge_says_the_score(score: float) -> None:
    assert f"{score:g} of 7" in badge(score)
    assert badge(score).startswith("<svg")


def test_the_verb_prints_rows_with_what_would_raise_them_and_returns_3_below_a_bound(made: Healthy) -> None:
    """The use case lies outside of the repository, so that nothing shows that it was reviewed: M1 is by hand."""
    badge_file = made.root / "pages" / "badge.svg"
    arguments = [str(made.folder), "--no-measure", "--badge", str(badge_file)]
    printed = CliRunner().invoke(score_verb, arguments, obj=made.store, catch_exceptions=False)
    assert printed.exit_code == 0
    assert " 0.5  M1" in printed.output
    assert "next: commit the changes" in printed.output
    assert "   1  I7" in printed.output
    assert "6.5 of 7" in badge_file.read_text(encoding="utf-8")
    bound = CliRunner().invoke(score_verb, [*arguments, "--at-least", "7", "--json"], obj=made.store)
    assert bound.exit_code == 3
    assert len(json.loads(bound.stdout)["rows"]) == 28
    with pytest.raises(UsageError, match="needs every row"):
        CliRunner().invoke(score_verb, [*arguments, "--row", "M1"], obj=made.store, catch_exceptions=False)
