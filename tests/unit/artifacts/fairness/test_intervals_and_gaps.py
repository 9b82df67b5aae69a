"""Intervals agree with published ones, rates with counts by hand, and the upper end of a gap is seldom too low."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from artifacts.fairness.gaps import gap
from artifacts.fairness.intervals import difference, normal, wilson
from artifacts.fairness.names import CALIBRATION
from artifacts.fairness.rates import Rows, rates


def test_wilson_agrees_with_newcombe_1998() -> None:
    """Table I of R. G. Newcombe, Statistics in Medicine 17, 857-872, method 3."""
    part, whole = np.array([81.0, 15.0, 0.0, 1.0]), np.array([263.0, 148.0, 20.0, 29.0])
    found = wilson(part / whole, whole, 0.95)
    assert found.low == pytest.approx([0.2553, 0.0624, 0.0000, 0.0061], abs=6e-5)
    assert found.high == pytest.approx([0.3662, 0.1605, 0.1611, 0.1718], abs=6e-5)


def test_differences_agree_with_newcombe_1998() -> None:
    """Table II of R. G. Newcombe, Statistics in Medicine 17, 873-890, method 10."""
    first, of_first = np.array([56.0, 9.0, 5.0, 0.0, 10.0]), np.array([70.0, 10.0, 56.0, 10.0, 10.0])
    second, of_second = np.array([48.0, 3.0, 0.0, 0.0, 0.0]), np.array([80.0, 10.0, 29.0, 10.0, 20.0])
    found = difference(wilson(first / of_first, of_first, 0.95), wilson(second / of_second, of_second, 0.95))
    assert found.low == pytest.approx([0.0524, 0.1705, -0.0381, -0.2775, 0.6791], abs=6e-5)
    assert found.high == pytest.approx([0.3339, 0.8090, 0.1926, 0.2775, 1.0], abs=6e-5)


def test_the_difference_of_means_is_the_normal_one() -> None:
    one, other = normal(np.array(3.0), np.array(0.3), 0.95), normal(np.array(1.0), np.array(0.4), 0.95)
    found = difference(one, other)
    assert (float(found.low), float(found.high)) == pytest.approx((2 - 1.96 * 0.5, 2 + 1.96 * 0.5), abs=1e-4)


@given(st.integers(0, 10_000), st.integers(1, 5), st.booleans())
def test_rates_are_the_counts_of_each_group(seed: int, size: int, weighted: bool) -> None:
    random = np.random.default_rng(seed)
    count = int(random.integers(1, 60))
    labels, scores = random.integers(0, 2, count).astype(float), random.choice([0.1, 0.3, 0.5, 0.8], count)
    groups = random.integers(-1, size, count)
    weights = random.random(count) if weighted else np.ones(count)
    thresholds = (0.3, 0.5)
    found = rates(Rows(labels, scores, weights if weighted else None), groups, size, thresholds)
    for group in range(size):
        for column, threshold in enumerate(thresholds):
            mine, above = groups == group, scores > threshold
            wanted = {
                "selection_rate": (mine & above, mine),
                "true_positive_rate": (mine & above & (labels == 1), mine & (labels == 1)),
                "false_positive_rate": (mine & above & (labels == 0), mine & (labels == 0)),
                "false_negative_rate": (mine & ~above & (labels == 1), mine & (labels == 1)),
                "precision": (mine & above & (labels == 1), mine & above),
            }
            for rate, (part, whole) in wanted.items():
                value = found[rate].value[group, column]
                assert found[rate].rows[group, column] == whole.sum()
                if not whole.any():
                    assert np.isnan(value)
                else:
                    assert value == pytest.approx(weights[part].sum() / weights[whole].sum())
        mine = groups == group
        if mine.any():
            mean = np.average((scores - labels)[mine], weights=weights[mine])
            assert found[CALIBRATION].value[group, 0] == pytest.approx(mean)


def test_equal_weights_change_nothing() -> None:
    random = np.random.default_rng(1)
    labels, scores, groups = random.integers(0, 2, 500) * 1.0, random.random(500), random.integers(0, 3, 500)
    plain, weighted = (
        rates(Rows(labels, scores, weights), groups, 3, (0.5,)) for weights in (None, np.full(500, 0.25))
    )
    for rate, one in plain.items():
        for ours, theirs in zip(one.interval(0.95), weighted[rate].interval(0.95), strict=True):
            assert ours == pytest.approx(theirs)


def test_the_upper_end_of_a_gap_is_seldom_too_low() -> None:
    """Of 95% intervals at most 2.5% lie below the true gap, however many groups there are, whatever their sizes."""
    truth = np.array([0.10, 0.12, 0.20, 0.28])
    sizes = np.array([60, 200, 400, 60])
    random = np.random.default_rng(7)
    groups = np.repeat(np.arange(4), sizes)
    missed_above, missed_below, times = 0, 0, 600
    for _ in range(times):
        scores = (random.random(len(groups)) < truth[groups]).astype(float)
        found = gap(rates(Rows(np.zeros(len(groups)), scores), groups, 4, (0.5,))["false_positive_rate"], 0, 0.95)
        missed_above += found.high < 0.18
        missed_below += found.low > 0.18
    assert missed_above / times < 0.05
    assert missed_below / times < 0.05


def test_a_gap_needs_two_groups() -> None:
    rows = Rows(np.array([0.0, 0.0, 1.0]), np.array([0.1, 0.9, 0.9]))
    alone = gap(rates(rows, np.array([0, 0, 0]), 1, (0.5,))["selection_rate"], 0, 0.95)
    assert np.isnan(alone.value)
    assert np.isnan(alone.high)
    # The second group has no negative row, so it has no false positive rate.
    undefined = gap(rates(rows, np.array([0, 0, 1]), 2, (0.5,))["false_positive_rate"], 0, 0.95)
    assert np.isnan(undefined.value)


def test_the_gap_names_the_groups_at_its_ends() -> None:
    labels, scores = np.zeros(300), np.repeat([0.9, 0.1, 0.9], [30, 250, 20])
    groups = np.repeat([2, 0, 1], [100, 100, 100])
    found = gap(rates(Rows(labels, scores), groups, 3, (0.5,))["false_positive_rate"], 0, 0.95)
    assert (found.highest, found.lowest) == (2, 0)
    assert found.value == pytest.approx(0.3)
    assert found.low < 0.3 < found.high
