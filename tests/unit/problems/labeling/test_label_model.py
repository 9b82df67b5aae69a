"""The label model answers what snorkel's answers, whatever the order of functions, and refuses what it cannot use."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import LabelingError
from problems.labeling import label_model
from problems.labeling.label_model import FitSettings, LabelModel
from problems.labeling.majority import majority
from problems.labeling.votes import ABSTAIN, Votes

CASES = json.loads((Path(__file__).parent / "snorkel_answers.json").read_text(encoding="utf-8"))["cases"]
"""What snorkel 0.10.0 (torch 1.13.1) answered for synthetic votes."""
RENAMED = {"n_epochs": "epochs", "lr": "learning_rate", "prec_init": "precision"}


def _fit(case: dict[str, Any]) -> tuple[Votes, LabelModel]:
    given = dict(case["fit"])
    classes = case["cardinality"]
    balance = np.array(given.pop("class_balance", [1 / classes] * classes))
    options = {"epochs": 100, **{RENAMED.get(name, name): value for name, value in given.items()}}
    votes = np.array(case["L"], np.int16)
    return votes, label_model.fit(votes, balance, FitSettings(**options))


@pytest.mark.parametrize("case", CASES, ids=[str(case["fit"]) for case in CASES])
def test_it_answers_what_snorkel_answered(case: dict[str, Any]) -> None:
    votes, model = _fit(case)
    np.testing.assert_allclose(model.mu, case["mu"], atol=1e-4)
    np.testing.assert_allclose(model.weights, case["weights"], atol=1e-4)
    wanted = np.array(case["proba"])
    got = model.predict(votes)
    np.testing.assert_allclose(got, wanted, atol=1e-4)
    top = np.sort(wanted, axis=1)
    is_clear = top[:, -1] - top[:, -2] > 1e-5
    assert (got.argmax(axis=1) == wanted.argmax(axis=1))[is_clear].all()


def _planted(rows: int = 2000, seed: int = 0) -> tuple[Votes, np.ndarray[Any, np.dtype[np.int64]]]:
    random = np.random.default_rng(seed)
    truth = random.integers(0, 2, rows)
    columns = []
    for accuracy, coverage in ((0.9, 0.5), (0.8, 0.7), (0.7, 0.6), (0.85, 0.4), (0.75, 0.9)):
        vote = np.where(random.random(rows) < accuracy, truth, 1 - truth)
        columns.append(np.where(random.random(rows) < coverage, vote, ABSTAIN))
    return np.stack(columns, axis=1).astype(np.int16), truth


def test_the_order_of_functions_changes_nothing() -> None:
    votes, _ = _planted()
    order = np.array([3, 0, 4, 2, 1])
    balance = np.array([0.5, 0.5])
    first, second = label_model.fit(votes, balance), label_model.fit(votes[:, order], balance)
    np.testing.assert_allclose(first.weights[order], second.weights, atol=1e-6)
    np.testing.assert_allclose(first.predict(votes), second.predict(votes[:, order]), atol=1e-6)


def test_learned_accuracies_are_the_planted_ones() -> None:
    votes, _ = _planted(20_000)
    weights = label_model.fit(votes, np.array([0.5, 0.5])).weights
    np.testing.assert_allclose(weights, [0.9, 0.8, 0.7, 0.85, 0.75], atol=0.05)


def test_under_a_planted_random_function_it_beats_majority_vote() -> None:
    votes, truth = _planted(5000)
    random = np.random.default_rng(1).integers(0, 2, (len(votes), 2)).astype(np.int16)
    planted = np.hstack([votes, random])
    balance = np.array([0.5, 0.5])
    ours = label_model.fit(planted, balance).predict(planted).argmax(axis=1)
    shares = majority(planted, balance)
    tie = shares[:, 0] == shares[:, 1]
    theirs = np.where(tie, 0.5, shares.argmax(axis=1) == truth).mean()
    assert (ours == truth).mean() >= theirs + 0.03


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 4), st.integers(3, 6), st.integers(5, 60), st.integers(0, 2**31))
def test_probabilities_are_always_probabilities(classes: int, functions: int, rows: int, seed: int) -> None:
    votes = np.random.default_rng(seed).integers(ABSTAIN, classes, (rows, functions)).astype(np.int16)
    votes[0, 0] = 0
    model = label_model.fit(votes, np.full(classes, 1 / classes), FitSettings(epochs=20))
    found = model.predict(votes)
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found.sum(axis=1), 1)
    assert ((model.weights >= 0) & (model.weights <= 1)).all()


@pytest.mark.parametrize(
    ("votes", "balance", "message"),
    [
        ([[0, 1, float("nan")]], [0.5, 0.5], "got nan in row 0 of function 2"),
        ([[0, 1, 2]], [0.5, 0.5], "a class from 0 to 1, or -1 to abstain, got 2"),
        ([[0, -2, 1]], [0.5, 0.5], "got -2 in row 0 of function 1"),
        ([[0, 1]], [0.5, 0.5], "at least 3 labeling functions, got 2"),
        ([[0, 1, 1]], [0.3, 0.1], "positive shares that sum to 1"),
        ([[0, 1, 1]], [1.0, 0.0], "positive shares that sum to 1"),
        ([[-1, -1, -1]], [0.5, 0.5], "every function abstains"),
    ],
)
def test_what_it_cannot_use_is_a_named_error(votes: list[list[float]], balance: list[float], message: str) -> None:
    with pytest.raises(LabelingError, match=message):
        label_model.fit(np.array(votes), np.array(balance))
