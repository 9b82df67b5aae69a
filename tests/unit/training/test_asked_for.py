"""A hyperparameter that a module cannot use, or does not read, is named; errors of another kind pass through."""

from contextlib import nullcontext
from types import ModuleType
from typing import Any

import pytest

from core import user_code
from core.errors import ConfigError, TrainingError
from training.hyperparameters.asked_for import AskedFor, called, check_read, check_typing_errors

MODULE = """
def build_model(transform_output, hyperparameters):
    rate = float(hyperparameters.get("learning_rate", 0.1))
    layers = [_layer(units) for units in hyperparameters["units"]]
    if hyperparameters.get("broken"):
        raise RuntimeError("no model today")
    return rate, layers

def _layer(units):
    if units <= 0:
        raise ValueError(f"wanted a positive number of units, got {units}")
    return units
"""


@pytest.fixture(scope="module")
def module(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    path = tmp_path_factory.mktemp("user") / "module.py"
    path.write_text(MODULE, encoding="utf-8")
    return user_code.load(str(path))


def _build(module: ModuleType, **hyperparameters: Any) -> tuple[Any, AskedFor]:
    given = AskedFor(hyperparameters)
    return called(module.build_model, ("the transform", given), given, module), given


@pytest.mark.parametrize(
    ("hyperparameters", "line", "wanted"),
    [
        ({"units": [8], "learning_rate": "fast"}, 3, "ValueError: could not convert.* learning_rate 'fast': correct"),
        ({"units": 8}, 4, "TypeError: .*not iterable; it may be the hyperparameter units 8: correct"),
        ({"units": [8, -1]}, 11, r"ValueError: wanted a positive number of units, got -1; .* units \[8, -1\]"),
        ({"units": ["8"]}, 10, r"TypeError: .* units \['8'\]: correct train_model.hyperparameters.units"),
        ({}, 4, "KeyError: 'units'; it may be the hyperparameter units, which is not set"),
    ],
)
def test_a_value_that_cannot_be_used_is_named_with_its_line(
    module: ModuleType, hyperparameters: dict[str, Any], line: int, wanted: str
) -> None:
    with pytest.raises(TrainingError, match=rf"module\.py, line {line}: build_model fails with {wanted}"):
        _build(module, **hyperparameters)


def test_what_else_goes_wrong_passes_through(module: ModuleType) -> None:
    with pytest.raises(RuntimeError, match="no model today"):
        _build(module, units=[8], broken=True)
    (rate, layers), given = _build(module, units=[8])
    assert (rate, layers, given.names) == (0.1, [8], {"learning_rate", "units", "broken"})


@pytest.mark.parametrize(
    ("given", "nearest"),
    [
        ({"hiden_units": [8]}, "hidden_units"),
        ({"learning_rte": 0.1, "hidden_units": [8]}, "learning_rate"),
        ({"colour": "red"}, ""),
        ({"units_2": 8}, ""),
        ({"hidden_unit": 3, "hidden_units": [8]}, ""),
    ],
)
def test_a_name_that_is_nearly_right_is_an_error_and_others_stay(given: dict[str, Any], nearest: str) -> None:
    asked = {"hidden_units", "learning_rate", "units_1"}
    refused = pytest.raises(ConfigError, match=f"did you mean '{nearest}'") if nearest else nullcontext()
    with refused:
        check_typing_errors(given, asked)


def test_a_change_that_changes_nothing_is_refused() -> None:
    check_read({"units": 8}, {"units", "rate"}, "build_small")
    with pytest.raises(ConfigError, match="build_small reads no hyperparameter 'unts'; did you mean 'units'"):
        check_read({"unts": 8}, {"units", "rate"}, "build_small")
