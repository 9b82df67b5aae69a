"""Modules in KerasTuner's form, `build_model(hp)`, and which hyperparameters a module asks for."""

import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import keras

from core.user_config import as_written

_MOST_BUILDS = 50
"""Models that are built to find a space."""


def declares_its_space(build_model: Any) -> bool:
    """Whether a function is `build_model(hp)`: it takes one argument."""
    try:
        parameters = inspect.signature(build_model).parameters.values()
    except (TypeError, ValueError):
        return False
    required = [one for one in parameters if one.default is one.empty and one.kind is one.POSITIONAL_OR_KEYWORD]
    return len(required) == 1 and not any(one.kind is one.VAR_POSITIONAL for one in parameters)


def at_point(build_model: Callable[..., keras.Model], values: Mapping[str, Any]) -> keras.Model:
    """Call `build_model(hp)` with these values; what is not among them has KerasTuner's default."""
    import keras_tuner  # noqa: PLC0415 - two seconds that a module without it need not pay

    hp = keras_tuner.HyperParameters()
    hp.values = as_written(dict(values))
    return build_model(hp)


def declared_space(build_model: Callable[..., keras.Model], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the space that `build_model(hp)` declares, as KerasTuner's configuration, built with these values first.

    It is built again for each choice of a hyperparameter, since what is declared may depend on it.
    """
    import keras_tuner  # noqa: PLC0415

    space = keras_tuner.HyperParameters()
    waiting: list[dict[str, Any]] = [{}]
    for count in range(_MOST_BUILDS):
        if count == len(waiting):
            break
        hp = keras_tuner.HyperParameters()
        hp.values = as_written({**dict(values), **waiting[count]})
        build_model(hp)
        space.merge(hp.space)
        for one in hp.space:
            others = () if hasattr(one, "min_value") else getattr(one, "values", ())
            further = ({**waiting[count], one.name: value} for value in others if one.name not in waiting[count])
            waiting += [choices for choices in further if choices not in waiting]
    config: dict[str, Any] = space.get_config()
    return config


class AskedFor(dict[str, Any]):
    """Hyperparameters that know which of them were read."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        super().__init__(values)
        self.names: set[str] = set()
        """Names that were asked for, known or not."""

    def __getitem__(self, name: str) -> Any:
        self.names.add(name)
        return super().__getitem__(name)

    def __contains__(self, name: object) -> bool:
        self.names.add(str(name))
        return super().__contains__(name)

    def get(self, name: str, default: Any = None) -> Any:
        """Return a value; its name counts as read."""
        self.names.add(name)
        return super().get(name, default)

    def pop(self, name: str, *default: Any) -> Any:
        """Remove and return a value; its name counts as read."""
        self.names.add(name)
        return super().pop(name, *default)

    def __iter__(self) -> Iterator[str]:
        self.names |= set(super().keys())
        return super().__iter__()

    def keys(self) -> Any:
        """Return all names; they count as read."""
        self.names |= set(super().keys())
        return super().keys()

    def values(self) -> Any:
        """Return all values; all names count as read."""
        self.names |= set(super().keys())
        return super().values()

    def items(self) -> Any:
        """Return all names and values; they count as read."""
        self.names |= set(super().keys())
        return super().items()

    def __or__(self, other: Any) -> Any:
        self.names |= set(super().keys())
        return super().__or__(other)
