"""What becomes of a measured difference: within the threshold, beyond it, ignored on purpose, or not to be measured."""

from pathlib import Path
from typing import Any

import pytest
from tensorflow_metadata.proto.v0 import anomalies_pb2, statistics_pb2

from artifacts.schema.schema_file import SchemaFile
from artifacts.statistics.differences import Dataset, Difference, Differences, Found
from components.validate_data import comparisons
from components.validate_data.comparisons import Comparison, compare
from core.decision import Check, Verdict

SCHEMA = """feature {
  name: "temp"
  type: FLOAT
  drift_comparator { jensen_shannon_divergence { threshold: 0.1 } }
}
feature {
  name: "message/unseen_words"
  type: FLOAT
  lifecycle_stage: VALIDATION_DERIVED
  validation_derived_source { deriver_name: "unseen_words" source_path { step: "message" } }
  skew_comparator { infinity_norm { threshold: 0.1 } }
}
"""


def dataset(name: str, rows: int) -> Dataset:
    statistics = statistics_pb2.DatasetFeatureStatisticsList()
    statistics.datasets.add(num_examples=rows)
    return Dataset(name, statistics)


def compared(folder: Path, monkeypatch: pytest.MonkeyPatch, difference: Difference, **changes: Any) -> Check:
    """Compare two spans of which this was measured."""
    path = folder / "schema.pbtxt"
    path.write_text(SCHEMA)
    found = Differences([difference], anomalies_pb2.Anomalies())
    monkeypatch.setattr(comparisons, "differences", lambda *_: found)
    given: dict[str, Any] = {
        "kind": "drift",
        "current": dataset("Span-3", 200),
        "baseline": dataset("Span-2", 200),
        "on_difference": "stop",
    }
    checks, anomalies = compare(Comparison(**(given | changes)), SchemaFile(path), 200)
    assert anomalies is found.anomalies
    [check] = checks
    assert check.slice == "Span-3"
    return check


def measured(value: float, feature: str = "temp") -> Difference:
    return Difference(feature, Found.MEASURED, "Jensen-Shannon divergence", value, 0.25)


@pytest.mark.parametrize(("value", "verdict"), [(0.25, Verdict.PASS), (0.2501, Verdict.FAIL), (0.0, Verdict.PASS)])
def test_a_difference_at_its_threshold(
    value: float, verdict: Verdict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check = compared(tmp_path, monkeypatch, measured(value))
    assert check.rule == "temp: drift from Span-2 to Span-3 <= 0.25 (Jensen-Shannon divergence)"
    assert (check.verdict, check.threshold, check.observed) == (verdict, 0.25, value)
    assert check.next_step == (
        ""
        if verdict is Verdict.PASS
        else "compare temp in the two spans, and correct the data if it is wrong; if the change is real, raise the "
        "threshold at schema.pbtxt:4 or set validate_data.on_drift: continue"
    )


def test_a_difference_may_be_ignored_on_purpose_which_the_rule_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check = compared(tmp_path, monkeypatch, measured(0.9), on_difference="continue")
    assert check.rule.endswith("; exceeded, but validate_data.on_drift is continue")
    assert (check.verdict, check.observed, check.next_step) == (Verdict.PASS, 0.9, "")
    within = compared(tmp_path, monkeypatch, measured(0.1), on_difference="continue")
    assert "exceeded" not in within.rule
    assert within.verdict is Verdict.PASS


def test_skew_is_explained_by_what_the_server_is_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check = compared(tmp_path, monkeypatch, measured(0.9, "message/unseen_words"), kind="skew")
    assert check.rule.startswith("message/unseen_words: skew from Span-2 to Span-3 <= 0.25")
    assert check.next_step == (
        "find out why the server is sent other values of message/unseen_words than the train split has; if both are "
        "right, raise the threshold at schema.pbtxt:11"
    )


CANNOT = {
    Found.ABSENT: ("temp: drift from Span-2 to Span-3: it is absent, which the schema allows", Verdict.PASS, ""),
    Found.NO_SHARES: (
        (
            "temp: drift from Span-2 to Span-3 can be detected: the infinity norm compares shares of values, "
            "but nearly every value is different"
        ),
        Verdict.UNDECIDED,
        (
            "declare `natural_language_domain {}` or `image_domain {}` for temp and thresholds for features derived "
            "from it (`mlops schema propose` shows how), or remove the comparator at schema.pbtxt:4"
        ),
    ),
    Found.NOT_COMPUTED: (
        "temp: drift from Span-2 to Span-3 can be computed",
        Verdict.UNDECIDED,
        "temp has no value or another type in one of them: correct the data, or remove its threshold at schema.pbtxt:4",
    ),
}


@pytest.mark.parametrize("found", CANNOT)
def test_what_cannot_be_measured_is_undecided_unless_it_may_be_absent(
    found: Found, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check = compared(tmp_path, monkeypatch, Difference("temp", found))
    assert (check.rule, check.verdict, check.next_step) == CANNOT[found]
    assert (check.threshold, check.observed) == (None, None)


def test_a_text_without_words_names_the_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check = compared(tmp_path, monkeypatch, Difference("message/unseen_words", Found.NO_WORDS), kind="skew")
    assert (check.verdict, check.next_step) == (
        Verdict.UNDECIDED,
        "message has no words in one of them: correct the data, or remove its threshold at schema.pbtxt:11",
    )


@pytest.mark.parametrize(
    ("current", "baseline", "short"), [(199, 200, ["now"]), (200, 0, ["before"]), (1, 1, ["now", "before"])]
)
def test_too_few_rows_are_undecided_and_nothing_is_measured(
    current: int, baseline: int, short: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "schema.pbtxt"
    path.write_text(SCHEMA)
    monkeypatch.setattr(comparisons, "differences", lambda *_: pytest.fail("it was measured"))
    datasets = dataset("now", current), dataset("before", baseline)
    checks, anomalies = compare(Comparison("drift", *datasets, "stop"), SchemaFile(path), 200)
    assert [check.slice for check in checks] == short
    assert all(check.verdict is Verdict.UNDECIDED and check.threshold == 200.0 for check in checks)
    assert checks[0].rule == f"drift: {short[0]} has at least 200 rows to compare"
    assert checks[0].observed == float(current if short[0] == "now" else baseline)
    assert checks[0].next_step == (
        f"add rows to {short[0]}, because drift of fewer rows is noise, or lower validate_data.min_examples"
    )
    assert not anomalies.anomaly_info


def test_the_current_dataset_is_compared_with_the_baseline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "schema.pbtxt"
    path.write_text(SCHEMA)
    asked: list[object] = []
    found = Differences([], anomalies_pb2.Anomalies())
    monkeypatch.setattr(comparisons, "differences", lambda *given: asked.extend(given) or found)
    now, before = dataset("now", 200), dataset("before", 200)
    file = SchemaFile(path)
    assert compare(Comparison("skew", now, before, "stop"), file, 200) == ([], found.anomalies)
    assert asked == ["skew", now, before, file]
