"""The gain over several trainings has the noise of the rows and that of the trainings in its interval."""

import numpy as np
import pytest

from problems.gains import interval, over_seeds


def test_one_seed_keeps_its_interval_and_equal_seeds_do_not_shrink_it() -> None:
    one = interval(0.02, 0.005, 0.95)
    assert over_seeds([one], 0.95) == pytest.approx(one)
    assert over_seeds([one, one, one], 0.95) == pytest.approx(one), "the rows are the same in every training"


def test_trainings_that_differ_widen_the_interval() -> None:
    gains = [interval(value, 0.001, 0.95) for value in (0.00, 0.01, 0.02)]
    found = over_seeds(gains, 0.95)
    assert found.value == pytest.approx(0.01)
    assert found.high - found.value == pytest.approx(1.959964 * np.hypot(0.001, 0.01 / np.sqrt(3)))
    assert found.low < 0 < gains[2].low
