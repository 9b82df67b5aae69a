"""Aggregation equals crowd-kit's, finds unreliable annotators, and agreement has the values of the literature."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.import_labels.aggregation import dawid_skene, majority
from components.import_labels.agreement import alpha, alpha_of_numbers, gold_accuracies, kappas
from components.import_labels.votes import Votes

CASES = json.loads(Path(__file__).with_name("crowd_kit_answers.json").read_text())


def votes(row: list[int], annotator: list[int], label: list[int], classes: int) -> Votes:
    return Votes(
        np.array(row, np.intp),
        np.array(annotator, np.intp),
        np.array(label, np.intp),
        tuple(map(str, range(max(row) + 1))),
        tuple(map(str, range(max(annotator) + 1))),
        tuple(range(classes)),
    )


def of_table(table: list[list[int | None]], classes: int) -> Votes:
    """Return the votes of a table with a line for each annotator."""
    found = [
        (row, annotator, label)
        for annotator, line in enumerate(table)
        for row, label in enumerate(line)
        if label is not None
    ]
    return votes(*(list(one) for one in zip(*found, strict=True)), classes)


@pytest.mark.parametrize("case", CASES, ids=[f"{one['classes']} classes, {len(one['row'])} labels" for one in CASES])
def test_dawid_skene_is_that_of_crowd_kit(case: dict[str, Any]) -> None:
    found = dawid_skene(votes(case["row"], case["annotator"], case["label"], case["classes"]))
    np.testing.assert_allclose(found.probabilities, case["probabilities"], atol=1e-6)
    assert (found.labels == np.array(case["probabilities"]).argmax(axis=1)).all()


def test_dawid_skene_outvotes_annotators_that_are_mostly_wrong() -> None:
    random = np.random.default_rng(3)
    truth = random.integers(0, 2, 300)
    skill = np.array([0.95, 0.9, 0.35, 0.35, 0.4])
    table = np.where(random.random((5, 300)) < skill[:, None], truth, 1 - truth)
    made = of_table(table.tolist(), 2)
    assert (dawid_skene(made).labels == truth).mean() > (majority(made).labels == truth).mean() + 0.1


def test_gold_labels_are_kept_and_teach_who_is_right() -> None:
    made = of_table([[0, 0, 1, 1, 0, 0], [1, 1, 0, 0, 1, 1], [1, 1, 0, 0, 1, 1]], 2)
    gold = np.array([0, 0, 1, 1, -1, -1])
    assert dawid_skene(made, gold).labels.tolist() == [0, 0, 1, 1, 0, 0]
    assert majority(made, gold).labels.tolist() == [0, 0, 1, 1, 1, 1]
    assert [(one.rows, one.accuracy) for one in gold_accuracies(made, gold)] == [(4, 1.0), (4, 0.0), (4, 0.0)]


@given(st.lists(st.tuples(st.integers(0, 8), st.integers(0, 3), st.integers(0, 2)), min_size=1, max_size=40))
def test_any_votes_give_probabilities(cells: list[tuple[int, int, int]]) -> None:
    different = list({cell[:2]: cell for cell in cells}.values())
    made = votes(*(list(one) for one in zip(*different, strict=True)), 3)
    for found in (dawid_skene(made), majority(made)):
        assert np.isfinite(found.probabilities).all()
        voted = made.counts().sum(axis=1) > 0
        np.testing.assert_allclose(found.probabilities.sum(axis=1)[voted], 1, atol=1e-9)
    assert alpha(made) is None or alpha(made) <= 1 + 1e-9  # type: ignore[operator]


def test_alpha_has_the_value_of_krippendorffs_own_example() -> None:
    _ = None
    # K. Krippendorff, Computing Krippendorff's alpha-reliability, 2011, example C: nominal 0.743, interval 0.849
    table = [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, _, _, _],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, _, 3],
        [_, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, _],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, _],
    ]
    made = of_table(table, 6)
    assert alpha(made) == pytest.approx(0.743, abs=5e-4)
    assert alpha_of_numbers(made.label.astype(float), made.row) == pytest.approx(0.849, abs=5e-4)


def test_agreement_that_is_not_defined_is_none() -> None:
    assert alpha(of_table([[0, 1, None], [None, None, 1]], 2)) is None
    assert alpha(of_table([[1, 1], [1, 1]], 2)) is None
    assert alpha_of_numbers(np.array([1.0, 2.0]), np.array([0, 1])) is None
    assert [(one.rows, one.kappa) for one in kappas(of_table([[0, None], [None, 1]], 2))] == [(0, None)]
    assert [(one.rows, one.kappa) for one in kappas(of_table([[1, 1], [1, 1]], 2))] == [(2, None)]


def test_kappa_is_agreement_beyond_chance() -> None:
    first, second = (
        [0] * 25 + [1] * 25,
        [0] * 20 + [1] * 5 + [0] * 10 + [1] * 15,
    )  # J. Cohen's measure: (0.7 - 0.5) / 0.5
    (pair,) = kappas(of_table([first, second], 2))
    assert pair.kappa == pytest.approx(0.4)
    (reverse,) = kappas(of_table([first, [1 - one for one in first]], 2))
    assert reverse.kappa == pytest.approx(-1)
