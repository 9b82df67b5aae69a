"""Histograms by arrays have the numbers that TFDV's own have, to the last bit."""

import importlib.metadata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tensorflow_data_validation.utils import quantiles_util

from adapters import tfdv_histograms

_OWN = quantiles_util.generate_equi_width_histogram
_VALUES = st.one_of(
    st.integers(-3, 12).map(float),  # many equal ones, and some on a bound
    st.floats(-1e9, 1e9, allow_subnormal=False),
)


@given(st.lists(_VALUES, min_size=2, max_size=60), st.integers(1, 12), st.data())
def test_the_numbers_are_those_of_tfdv(values: list[float], buckets: int, data: st.DataObject) -> None:
    quantiles = np.sort(np.array(values))
    steps = st.one_of(st.integers(0, 1000).map(float), st.floats(0, 100))
    counts = np.cumsum(data.draw(st.lists(steps, min_size=len(values), max_size=len(values))))
    ends = {"finite_min": quantiles[0], "finite_max": quantiles[-1]}
    ours, theirs = (
        function(quantiles, counts, num_buckets=buckets, num_pos_inf=0, **ends)
        for function in (tfdv_histograms.equal_buckets, _OWN)
    )
    assert ours == theirs


@pytest.mark.parametrize(
    ("quantiles", "least", "most", "infinite"),
    [
        ([-np.inf, 0.0, 1.0, 2.0], 0.0, 2.0, 0),
        ([0.0, 1.0, np.inf], 0.0, 1.5, 3),
        ([np.inf, np.inf], np.inf, -np.inf, 2),
        ([2.0, 2.0, 2.0], 2.0, 2.0, 0),
        ([-1.7e308, 1.7e308], -1.7e308, 1.7e308, 0),
    ],
    ids=["least is infinite", "most is infinite", "nothing is finite", "one value", "bounds overflow"],
)
def test_what_is_not_finite_is_left_to_tfdv(quantiles: list[float], least: float, most: float, infinite: int) -> None:
    counts = np.arange(1.0, len(quantiles) + 1)
    given_to_both = {"num_buckets": 10, "num_pos_inf": infinite, "finite_min": least, "finite_max": most}
    with np.errstate(over="ignore", invalid="ignore"):
        ours, theirs = (
            function(np.array(quantiles), counts, **given_to_both) for function in (tfdv_histograms.equal_buckets, _OWN)
        )
    assert ours == theirs


def test_tfdv_has_its_own_function_again_after_the_block() -> None:
    with pytest.raises(ValueError, match="of the block"), tfdv_histograms.by_arrays():
        assert quantiles_util.generate_equi_width_histogram is tfdv_histograms.equal_buckets
        raise ValueError("of the block")
    assert quantiles_util.generate_equi_width_histogram is _OWN


def test_the_port_was_read_from_the_installed_version() -> None:
    assert importlib.metadata.version("tensorflow-data-validation") == tfdv_histograms.READ_FROM
