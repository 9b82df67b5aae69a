"""Declared functions vote as the same code row by row would, in batches of any size; faults name function and row."""

import re
from types import SimpleNamespace
from typing import Any

import pyarrow_hotfix  # noqa: F401
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import LabelingError
from problems.labeling import functions as lf
from problems.labeling.apply import Applier
from problems.labeling.votes import ABSTAIN

CLASSES = ("ham", "spam")
WORDS = ["win a Prize now", "see you at home", "call 0800 NOW!", "", "prize? (free)", "Straße prizefight"]


def _batch(texts: list[str | None], numbers: list[float | None] | None = None) -> pa.RecordBatch:
    counts = pa.array(numbers if numbers is not None else [float(len(text or "")) for text in texts], pa.float32())
    return pa.RecordBatch.from_arrays([pa.array(texts, pa.string()), counts], ["text", "count"])


def _declared() -> list[Any]:
    return [
        lf.keyword("text", ["prize", "free)"], "spam", name="words"),
        lf.keyword("text", ["prize"], "spam", name="whole", whole_words=True),
        lf.regex("text", r"\d{4}", "spam", name="digits"),
        lf.threshold("count", "ham", below=10, name="few"),
        lf.length("text", "ham", above=3).named("long"),
        lf.lookup("text", {"see you at home": "ham", "win a Prize now": "spam"}, name="known"),
    ]


def _row_by_row(text: str, count: float) -> list[int]:
    return [
        1 if "prize" in text.lower() or "free)" in text.lower() else ABSTAIN,
        1 if re.search(r"(?<![A-Za-z0-9_])prize(?![A-Za-z0-9_])", text, re.IGNORECASE | re.ASCII) else ABSTAIN,
        1 if re.search(r"[0-9]{4}", text) else ABSTAIN,
        0 if count < 10 else ABSTAIN,
        0 if len(re.findall(r"[^\t\n\f\r ]+", text)) > 3 else ABSTAIN,
        {"see you at home": 0, "win a Prize now": 1}.get(text, ABSTAIN),
    ]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.one_of(st.sampled_from(WORDS), st.text("pPrizeE 0189(\n", max_size=30)), min_size=1, max_size=40))
def test_declared_functions_vote_as_code_row_by_row_does(texts: list[str]) -> None:
    batch = _batch(list(texts))
    votes = Applier(_declared(), CLASSES).votes(batch)
    assert votes.tolist() == [_row_by_row(text, len(text)) for text in texts]


@pytest.mark.parametrize("size", [1, 2, 5])
def test_votes_do_not_depend_on_the_size_of_batches(size: int) -> None:
    batch, applier = _batch(list(WORDS)), Applier(_declared(), CLASSES)
    parts = [applier.votes(batch.slice(start, size)) for start in range(0, len(WORDS), size)]
    assert np.concatenate(parts).tobytes() == applier.votes(batch).tobytes()


def test_a_missing_value_gets_no_vote() -> None:
    assert Applier(_declared(), CLASSES).votes(_batch([None], [None])).tolist() == [[ABSTAIN] * 6]


class SnorkelFunction:
    """What snorkel's `@labeling_function()` makes of a function: a name, and a call that returns a class's number."""

    def __init__(self, name: str, function: Any, resources: dict[str, Any]) -> None:
        self.name, self._f, self._resources, self._pre = name, function, resources, []

    def __call__(self, x: Any) -> int:
        return int(self._f(x, **self._resources))


def test_snorkels_functions_are_taken_as_they_are() -> None:
    function = SnorkelFunction(
        "lf_words", lambda x, words: 1 if any(w in x.text for w in words) else -1, {"words": ["a"]}
    )
    by_item = SnorkelFunction("lf_item", lambda x: 0 if isinstance(x, SimpleNamespace) and x["count"] < 3 else -1, {})
    applier = Applier([function, by_item], CLASSES)
    assert applier.names == ("lf_words", "lf_item")
    assert applier.votes(_batch(["ab", "cdef"])).tolist() == [[1, 0], [ABSTAIN, ABSTAIN]]


def test_python_functions_over_batches_and_rows() -> None:
    @lf.batch_function("spam")
    def shouts(batch: pa.RecordBatch) -> list[bool]:
        return [text.isupper() for text in batch.column(0).to_pylist()]

    @lf.batch_function()
    def both(batch: pa.RecordBatch) -> list[str | None]:
        return ["ham" if text == "x" else None for text in batch.column(0).to_pylist()]

    @lf.row_function(name="rows")
    def named(row: Any) -> str | None:
        return "spam" if "x" in row.text else None

    applier = Applier([shouts, both, named], CLASSES)
    assert applier.names == ("shouts", "both", "rows")
    assert applier.votes(_batch(["A", "x"])).tolist() == [[1, ABSTAIN, ABSTAIN], [ABSTAIN, 0, 1]]


def _raising(row: Any) -> int:
    raise ZeroDivisionError("no count") if row.text == "bad" else None or 0  # type: ignore[misc]


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (
            lf.RowFunction("r", lambda row: 1 // (0 if row.text == "bad" else 1)),
            "'r' raised ZeroDivisionError.*row key-1 ",
        ),
        (
            lf.BatchFunction("b", lambda b: [1 // (t != "bad") for t in b.column(0).to_pylist()]),
            "'b' raised Zero.*key-1 ",
        ),
        (lf.RowFunction("nan", lambda row: float("nan")), "'nan': wanted one of ham, spam.*got nan for the row key-0"),
        (lf.RowFunction("two", lambda row: 2), "'two': .*indices from 0 to 1.* got 2 for the row key-0"),
        (lf.RowFunction("flag", lambda row: True), "'flag': .*got True"),
        (lf.RowFunction("near", lambda row: "spma"), "'near': .*got 'spma'.*did you mean 'spam'"),
        (lf.BatchFunction("array", lambda b: np.array([0.0, np.nan])), "'array': .*got nan for the row key-1"),
        (lf.BatchFunction("few", lambda b: ["ham"]), "'few': wanted a label or None for each of 2 rows, got 1"),
        (lf.threshold("txt", "ham", above=1), "wanted a feature of the data, got 'txt'.*did you mean 'text'"),
        (lf.threshold("text", "ham", above=1), "wanted a number in 'text', got string"),
        (lf.keyword("count", ["a"], "ham"), "wanted text in 'count', got float"),
        (lf.keyword("text", ["a"], "egg"), "wanted one of ham, spam"),
    ],
)
def test_a_fault_names_the_function_and_the_row(function: Any, message: str) -> None:
    batch = _batch(["a" * 300, "bad"])
    applier = Applier([function], CLASSES, lambda batch, row: f"key-{row}")
    with pytest.raises(LabelingError, match=re.compile(message, re.DOTALL)) as caught:
        applier.votes(batch)
    assert "a" * 100 not in str(caught.value)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: lf.regex("text", r"(?=x)", "spam"), "regular expression of RE2"),
        (lambda: lf.keyword("text", "win", "spam"), "a list of words"),
        (lambda: lf.threshold("count", "spam"), "wanted a bound"),
        (lambda: Applier([3], CLASSES), "wanted labeling functions, got 3"),
        (lambda: Applier([lf.RowFunction("a", id), lf.RowFunction("a", id)], CLASSES), "a more than once"),
    ],
)
def test_a_declaration_that_cannot_work_is_refused(make: Any, message: str) -> None:
    with pytest.raises(LabelingError, match=re.escape(message)):
        make()
