"""Names what can be trained: families of this room, and functions of a module that are built like `build_model`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

from core.errors import ConfigError, did_you_mean
from core.user_config import as_written
from training.families import trees
from training.families.model_inputs import ModelInputs
from training.families.nets import NETS

TREES = "trees"
FAMILIES = (*NETS, TREES)


@dataclass(frozen=True)
class Contender:
    """One family with its hyperparameters."""

    family: str
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)
    """Changes to the family's defaults; for a function of the module, to the hyperparameters of `train_model`."""
    name: str = ""

    @property
    def is_of_module(self) -> bool:
        """Whether the use case's module builds it."""
        return self.family not in FAMILIES

    def check(self, module: ModuleType, place: str) -> None:
        """Raise ConfigError, with the nearest name, for an unknown family or hyperparameter; `place` is a key.

        A value of another type than the default's is one as well.
        """
        if self.is_of_module:
            found = getattr(module, self.family, None)
            if not callable(found):
                functions = [name for name, one in vars(module).items() if callable(one) and name.startswith("build")]
                raise ConfigError(
                    f"config.yaml: {place}: wanted a family or a function of module.py, got {self.family!r}"
                    f"{did_you_mean(self.family, [*FAMILIES, *functions])}"
                )
            return
        known = trees.DEFAULTS if self.family == TREES else NETS[self.family].defaults
        for key, value in self.hyperparameters.items():
            if key not in known:
                raise ConfigError(
                    f"config.yaml: {place}: {self.family} has no hyperparameter {key!r}{did_you_mean(key, known)}"
                )
            if wanted := _wanted(known[key], value):
                raise ConfigError(f"config.yaml: {place}: {self.family}.{key}: wanted {wanted}, got {value!r}")

    def unfit(self, inputs: ModelInputs) -> str:
        """Return why it cannot be built of these inputs; "" when it can."""
        if self.is_of_module:
            return ""
        return trees.unfit(inputs) if self.family == TREES else NETS[self.family].unfit(inputs)


def contender(family: str, hyperparameters: Mapping[str, Any], number: int = 1) -> Contender:
    """Return the contender of a variant; whole numbers are integers again, and `number` is in the name from 2."""
    name = family if number == 1 else f"{family}-{number}"
    return Contender(family, as_written(dict(hyperparameters)), name)


def _wanted(default: Any, value: Any) -> str:
    """Return what is wanted in place of a value that is not of its default's type; empty for one that is."""
    if isinstance(default, list | tuple):
        return "" if isinstance(value, list | tuple) and not any(map(_is_no_number, value)) else "a list of numbers"
    return "a number" if _is_no_number(value) else ""


def _is_no_number(value: Any) -> bool:
    return isinstance(value, bool) or not isinstance(value, int | float)
