"""The user's `preprocessing_fn`, by reference: a worker on another machine imports the module instead of a pickle."""

from functools import cache, partial
from inspect import signature
from pathlib import Path
from typing import Any, NamedTuple

from adapters.tft.trace import Preprocessing
from core import user_code
from core.errors import MlopsError
from core.user_config import as_written


class ImportedPreprocessing(NamedTuple):
    """A callable that loads `preprocessing_fn` where it is called first."""

    module: str
    """Path of the module's file on the machine that the step runs on."""
    custom_config: dict[str, Any]

    def __call__(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """Call the user's function."""
        function = _bound(_loaded(self.module), self.custom_config, self.module)
        return function(inputs)


def preprocessing_fn(module: str, custom_config: dict[str, Any]) -> Preprocessing:
    """Return the function of a referenced module; `custom_config` is bound if it is a parameter, as in TFX's Transform.

    Raises MlopsError when the module has no such function.
    """
    function: Any = user_code.function(user_code.load(module), "preprocessing_fn")
    return _bound(function, custom_config, module.partition("@")[0])


def _bound(function: Any, custom_config: dict[str, Any], module: str) -> Preprocessing:
    if not callable(function):
        raise MlopsError(f"{module}: wanted preprocessing_fn to be a function, got {type(function).__name__}")
    if "custom_config" in signature(function).parameters:
        return partial(function, custom_config=as_written(custom_config))
    bound: Preprocessing = function
    return bound


@cache
def _loaded(module: str) -> object:
    """Load the function once per process: from the step's path, else from the package that the worker installed."""
    path = Path(module)
    if not path.is_file():
        path = user_code.ROOT / "usecases" / path.parent.name / path.name
    return user_code.function(user_code.load(str(path)), "preprocessing_fn")
