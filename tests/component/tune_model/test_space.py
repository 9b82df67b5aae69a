"""A space that cannot be searched is refused when the configuration is read; oracles ask the same in every run."""

import math
import random
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from components.tune_model import oracles
from components.tune_model.config import Config, Dimension
from components.tune_model.oracles import Asked
from components.tune_model.rungs import Rung, halving_rungs
from components.tune_model.space import Space


@pytest.mark.parametrize(
    ("dimension", "refused"),
    [
        ({"min": 1}, "wanted min and max, or choices"),
        ({"min": 2, "max": 2}, "wanted min below max, got 2 and 2"),
        ({"min": 0, "max": 1, "scale": "log"}, "wanted min above 0 on a log scale"),
        ({"min": 1, "max": 9, "scale": "log", "step": 1}, "wanted step above 1 on a log scale"),
        ({"choices": [1]}, "at least two different choices"),
        ({"choices": [[1], [1]]}, "at least two different choices"),
        ({"choices": [1, 2], "min": 1}, "either choices or min and max, got both"),
        ({"mim": 1, "max": 2}, "Extra inputs"),
    ],
)
def test_what_is_no_range_is_refused(dimension: dict[str, Any], refused: str) -> None:
    with pytest.raises(ValidationError, match=refused):
        Config.model_validate({"space": {"x": dimension}, "method": "halving"})


SPACE = {
    "units": {"choices": [[32], [64, 32]]},
    "width": {"min": 2, "max": 16, "scale": "log", "step": 2},
    "rate": {"min": 0.0, "max": 0.5, "step": 0.1},
    "kind": {"choices": ["a", "b"]},
}


def _space() -> Space:
    """The space as a step gets it: KFP turns every number into a float."""
    config = Config.model_validate({"space": SPACE, "method": "halving"})
    dumped = config.model_dump(mode="json", exclude_none=True)["space"]
    as_floats = {
        name: {key: float(value) if type(value) is int else value for key, value in one.items()}
        for name, one in dumped.items()
    }
    return Space.of(Config.model_validate({"space": as_floats, "method": "halving"}).space)


@pytest.mark.parametrize("method", ["halving", "hyperband", "bayesian"])
def test_an_oracle_asks_the_same_again_and_as_much_as_was_planned(method: str) -> None:
    config = Config.model_validate({"space": SPACE, "method": method, "trials": 9, "seed": 3})
    space, runs = _space(), []
    for _ in range(2):
        asked: list[Asked] = []

        def run(points: Sequence[Asked], asked: list[Asked] = asked) -> list[float | None]:
            asked += points
            return [None if one.values["kind"] == "b" and one.epochs == 1 else one.values["rate"] for one in points]

        oracles.search(config, space.hyperparameters, 9, run)
        runs.append(asked)
    assert runs[0] == runs[1]
    assert 0 < len(runs[0]) <= oracles.planned(config, 9)
    points = [space.point(one.values) for one in runs[0]]
    assert {type(point["width"]) for point in points} == {int}
    assert all(point["units"] in ([32], [64, 32]) for point in points)
    best = max(runs[0], key=lambda one: (one.epochs, one.values["rate"]))
    assert best.epochs == 9


def test_halving_gives_the_epochs_of_the_training_to_the_last_rung() -> None:
    assert halving_rungs(9, 5, 3) == [Rung(9, 1), Rung(3, 2), Rung(1, 5)]
    assert halving_rungs(1, 5, 3) == [Rung(1, 5)]


def test_bounds_are_those_of_ranges() -> None:
    space = _space()
    assert space.on_bounds({"units": [32], "width": 16, "rate": 0.0, "kind": "a"}) == ("width", "rate")
    assert space.on_bounds({"units": [32], "width": 8, "rate": 0.2, "kind": "b"}) == ()


@given(
    low=st.floats(1e-6, 10),
    ratio=st.floats(1.01, 1e4),
    scale=st.sampled_from(["linear", "log"]),
    step=st.none() | st.floats(1.1, 4),
    seed=st.integers(1, 1000),
)
def test_a_drawn_value_is_always_in_its_range_and_on_a_step(
    low: float, ratio: float, scale: str, step: float | None, seed: int
) -> None:
    one = Dimension(min=low, max=low * ratio, scale=scale, step=step)
    value = one.draw(random.Random(seed))
    assert low <= value <= low * ratio
    if step is not None:
        steps = math.log(value / low, step) if scale == "log" else (value - low) / step
        assert abs(steps - round(steps)) < 0.01 * max(steps, 1) or value in (low, low * ratio)


def test_points_are_drawn_once_each_and_the_same_again() -> None:
    config = Config.model_validate({"space": SPACE, "method": "halving", "trials": 9, "in_tasks": True})
    default, *drawn = config.drawn(10, 5)
    assert default == {"number": 0, "hyperparameters": {}, "epochs": 10, "seed": 5}
    assert [one["number"] for one in drawn] == list(range(1, 10))
    assert {one["epochs"] for one in drawn} == {halving_rungs(9, 10, 3)[0].epochs}
    points = [one["hyperparameters"] for one in drawn]
    assert all(points.count(point) == 1 for point in points)
    assert all(type(point["width"]) is int and type(point["rate"]) is float for point in points)
    assert config.drawn(10, 5) == [default, *drawn]
    few = config.model_copy(update={"space": {"kind": config.space["kind"]}})
    assert len(few.drawn(10, 5)) == 3, "a space of two points has no third"
    space = _space()
    assert [space.point(space.values(point)) for point in points] == points
