"""Calls a module's function that builds a model, in this project's form or in KerasTuner's, `build_model(hp)`."""

import inspect
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

import keras

from core.user_config import as_written
from training.hyperparameters.asked_for import AskedFor, called

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


def built(build_model: Callable[..., Any], module: ModuleType, transform: Any, given: AskedFor) -> Any:
    """Call `build_model(transform_output, hyperparameters)`, or `build_model(hp)` with KerasTuner's defaults.

    `given` then knows which hyperparameters were read. Raises TrainingError for one that the function cannot use.
    """
    if not declares_its_space(build_model):
        return called(build_model, (transform, given), given, module)
    import keras_tuner  # noqa: PLC0415 - two seconds that a module without it need not pay

    hp = keras_tuner.HyperParameters()
    hp.values = given
    return called(build_model, (hp,), given, module)


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
