"""The space of hyperparameters: KerasTuner's form of what the configuration or the module declares."""

import json
from collections.abc import Mapping
from typing import Any

import keras_tuner

from components.tune_model.config import Dimension
from core.user_config import as_written

_OWN = "tuner/"
"""Prefix of what KerasTuner's oracles keep among the values, such as `tuner/epochs`."""


class Space:
    """Hyperparameters with their possible values; points of it are plain values by name."""

    def __init__(self, hyperparameters: keras_tuner.HyperParameters, lists: frozenset[str] = frozenset()) -> None:
        self.hyperparameters = hyperparameters
        self._lists = lists
        """Those whose choices are kept as JSON, because KerasTuner has only numbers, texts and booleans."""

    @classmethod
    def of(cls, dimensions: Mapping[str, Dimension]) -> "Space":
        """Make the space that the configuration declares."""
        space, lists = keras_tuner.HyperParameters(), set()
        for name, one in dimensions.items():
            if one.choices is None:
                declare = space.Int if one.integer else space.Float
                kind = int if one.integer else float
                step = None if one.step is None else kind(one.step)
                declare(name, kind(one.min or 0), kind(one.max or 0), step=step, sampling=one.scale)
                continue
            choices = as_written({"choices": list(one.choices)})["choices"]
            if not _is_plain(choices):
                lists.add(name)
                choices = [json.dumps(choice) for choice in choices]
            space.Choice(name, choices, ordered=None if not isinstance(choices[0], str | bool) else False)
        return cls(space, frozenset(lists))

    def point(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the hyperparameters of a trial's values, for `build_model`."""
        own = {name: value for name, value in values.items() if not name.startswith(_OWN)}
        return {name: json.loads(value) if name in self._lists else value for name, value in own.items()}

    def values(self, point: Mapping[str, Any]) -> dict[str, Any]:
        """Return a trial's values of a point, as `point` takes them back."""
        return {name: json.dumps(value) if name in self._lists else value for name, value in point.items()}

    def described(self) -> dict[str, Any]:
        """Return name -> values in a few words."""
        return {one.name: _described(one) for one in self.hyperparameters.space}

    def position(self, name: str, value: Any) -> float | None:
        """Return where a value lies in its range, 0 to 1; None for a name that is not in the space."""
        for one in self.hyperparameters.space:
            if one.name == name and not isinstance(one, keras_tuner.engine.hyperparameters.Fixed):
                held = json.dumps(value) if name in self._lists else value
                return float(one.value_to_prob(held))
        return None

    def on_bounds(self, point: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the hyperparameters whose value is the first or last of a range; choices have no bounds."""
        found = []
        for one in self.hyperparameters.space:
            if not hasattr(one, "min_value") or one.name not in point:
                continue
            value = point[one.name]
            last = one.prob_to_value(1.0) if one.step is not None else one.max_value
            if value <= one.min_value or value >= last:
                found.append(one.name)
        return tuple(found)


def _is_plain(choices: list[Any]) -> bool:
    """Whether KerasTuner can hold the choices as they are: all numbers, all texts or all booleans."""
    kinds = {type(choice) for choice in choices}
    return kinds in ({int}, {float}, {str}, {bool})


def _described(one: Any) -> str:
    if hasattr(one, "min_value"):
        step = "" if one.step is None else f", step {one.step:g}"
        scale = "" if one.sampling == "linear" else f", {one.sampling}"
        return f"{one.min_value:g} to {one.max_value:g}{step}{scale}"
    if hasattr(one, "values"):
        return " | ".join(map(str, one.values))
    return str(one.default)
