"""Spans are numbers, days or months; the span before the first day of a month is the last day of the month before."""

from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from artifacts.spans.files import latest_span, resolve
from artifacts.spans.pattern import label, parse_span
from core.errors import DataError, UsageError

DAYS = "/data/{YYYY}-{MM}-{DD}.csv"
MONTHS = "/data/{YYYY}{MM}.csv"


@given(st.dates(min_value=date(1970, 1, 1)), st.integers(0, 400))
def test_days_are_counted_as_the_calendar_does(day: date, before: int) -> None:
    span = parse_span(DAYS, day)
    assert span == parse_span(DAYS, day.isoformat()) == parse_span(DAYS, day.strftime("%Y%m%d"))
    assert span == (day - date(1970, 1, 1)).days, "TFX counts so, too"
    assert label(DAYS, span) == day.isoformat()
    if span >= before:
        assert label(DAYS, span - before) == (day - timedelta(days=before)).isoformat()


@given(st.dates(min_value=date(1970, 2, 1)))
def test_months_follow_each_other_over_the_end_of_a_year(day: date) -> None:
    span = parse_span(MONTHS, f"{day:%Y-%m}")
    last_month = day.replace(day=1) - timedelta(days=1)
    assert label(MONTHS, span - 1) == f"{last_month:%Y-%m}"
    assert parse_span(MONTHS, f"{last_month:%Y%m}") == span - 1


def test_files_without_a_span_are_one_span_where_that_is_allowed(tmp_path: Path) -> None:
    for name in ("a.csv", "b.csv", "c.parquet"):
        (tmp_path / name).write_text("x")
    found = resolve(f"{tmp_path}/*.csv", None, 1, spanless=True)
    assert (found.spans, [file.name for file in found.files]) == ((0,), ["a.csv", "b.csv"])
    assert [file.name for file in resolve(f"{tmp_path}/c.parquet", None, 1, spanless=True).files] == ["c.parquet"]
    with pytest.raises(DataError, match="wanted at least one file, got none"):
        resolve(f"{tmp_path}/d.csv", None, 1, spanless=True)
    with pytest.raises(UsageError, match=r"wanted \{SPAN\}"):
        resolve(f"{tmp_path}/*.csv", None, 1)


@pytest.mark.parametrize(
    ("pattern", "names", "span", "wanted"),
    [
        (
            "{YYYY}{MM}{DD}.csv",
            ["20240130", "20240131", "20240201"],
            "2024-02-01",
            "2024-01-30, 2024-01-31, 2024-02-01",
        ),
        ("{YYYY}-{MM}-{DD}.csv", ["2024-02-28", "2024-02-29", "2024-03-01"], None, "2024-02-29, 2024-03-01"),
        ("{YYYY}{MM}.csv", ["202311", "202312", "202401"], None, "2023-12, 2024-01"),
        ("{YYYY}-{MM}.csv", ["2023-12", "2024-01", "2024-02"], "2024-01", "2023-12, 2024-01"),
    ],
)
def test_a_window_of_dates(tmp_path: Path, pattern: str, names: list[str], span: str | None, wanted: str) -> None:
    for name in names:
        (tmp_path / f"{name}.csv").write_text("a\n1\n")
    (tmp_path / "20241399.csv").write_text("no such day")
    pattern = f"{tmp_path}/{pattern}"
    window = len(wanted.split(", "))
    found = resolve(pattern, None if span is None else parse_span(pattern, span), window)
    assert ", ".join(label(pattern, one) for one in found.spans) == wanted
    assert len(found.files) == window


def test_tokens_may_be_in_several_names(tmp_path: Path) -> None:
    for day in ("30", "31"):
        folder = tmp_path / "2023" / f"day-{day}-of-12"
        folder.mkdir(parents=True)
        (folder / "rows.csv").write_text("a\n1\n")
    pattern = f"{tmp_path}/{{YYYY}}/day-{{DD}}-of-{{MM}}/*.csv"
    assert label(pattern, latest_span(pattern)) == "2023-12-31"
    assert len(resolve(pattern, None, 2).files) == 2


def test_skipped_gaps_are_filled_with_older_spans(tmp_path: Path) -> None:
    for name in ("2024-02-01", "2024-02-02", "2024-02-05"):
        (tmp_path / f"{name}.csv").write_text("a\n1\n")
    pattern = f"{tmp_path}/{{YYYY}}-{{MM}}-{{DD}}.csv"
    with pytest.raises(DataError, match=r"wanted span 2024-02-03, 2024-02-04, .*ingest_examples.gaps: skip"):
        resolve(pattern, None, 3)
    window = resolve(pattern, None, 3, "skip")
    assert [label(pattern, span) for span in window.spans] == ["2024-02-01", "2024-02-02", "2024-02-05"]
    with pytest.raises(DataError, match="wanted span 2024-02-03"):
        resolve(pattern, parse_span(pattern, "2024-02-03"), 2, "skip")


def test_numbers_that_are_dates_are_recognised(tmp_path: Path) -> None:
    for name in ("20240130", "20240131", "20240201"):
        (tmp_path / f"{name}.csv").write_text("a\n1\n")
    with pytest.raises(DataError, match=r"write {YYYY}{MM}{DD} for {SPAN} in source.pattern"):
        resolve(f"{tmp_path}/{{SPAN}}.csv", None, 3)


@pytest.mark.parametrize(
    "pattern", ["/data/{YYYY}.csv", "/data/{MM}-{DD}.csv", "/data/{SPAN}-{YYYY}{MM}.csv", "/d/{YYYY}{MM}{MM}"]
)
def test_a_pattern_names_one_span_once(pattern: str) -> None:
    with pytest.raises(UsageError, match="once each"):
        resolve(pattern, None, 1)


def test_an_invalid_span_shows_a_valid_one() -> None:
    with pytest.raises(UsageError, match="wanted a day such as 2024-01-31"):
        parse_span(DAYS, "2024-02-30")
    with pytest.raises(UsageError, match="wanted a number"):
        parse_span("/data/{SPAN}.csv", "2024-01-31")
