"""The analysis is snorkel's; twins are found however many there are."""

import numpy as np

from problems.labeling.analysis import agreement, analyze
from problems.labeling.twins import twins
from problems.labeling.votes import ABSTAIN

VOTES = np.array([[-1, 0, 0], [-1, -1, -1], [1, 0, -1], [0, -1, 1], [0, 0, 0], [1, 1, -1]], np.int16)


def test_shares_are_those_of_snorkel() -> None:
    first, second, third = analyze(VOTES, ["a", "b", "c"], VOTES, np.array([0, 0, 1, 1, 0, 1]), [0.5, None, 0.7])
    assert (first.polarity, second.polarity, third.polarity) == ((0, 1), (0, 1), (0, 1))
    np.testing.assert_allclose([first.coverage, second.coverage, third.coverage], [4 / 6, 4 / 6, 3 / 6])
    np.testing.assert_allclose([first.overlaps, second.overlaps, third.overlaps], [4 / 6, 4 / 6, 3 / 6])
    np.testing.assert_allclose([first.conflicts, second.conflicts, third.conflicts], [2 / 6, 1 / 6, 1 / 6])
    assert (first.gold_votes, first.correct, first.accuracy) == (4, 3, 0.75)
    assert second.weight is None


def test_agreement_counts_rows_on_which_both_vote() -> None:
    found = agreement(VOTES)
    assert found[0, 1] == 2 / 3
    assert np.diag(found).tolist() == [1, 1, 1]


def test_copies_are_one_group_of_twins() -> None:
    random = np.random.default_rng(0)
    votes = random.integers(ABSTAIN, 2, (500, 4)).astype(np.int16)
    almost = votes[:, 1].copy()
    almost[:5] = ABSTAIN
    found = twins(np.column_stack([votes, votes[:, 1], almost, votes[:, 3]]), 0.95)
    assert found == [(1, 4, 5), (3, 6)]


def test_functions_that_vote_apart_are_no_twins() -> None:
    votes = np.full((100, 3), ABSTAIN, np.int16)
    votes[:50, 0], votes[50:, 1], votes[:5, 2] = 1, 1, 1
    assert twins(votes, 0.95) == []
