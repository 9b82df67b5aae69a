"""The kinds of problem, one file each: labels, scores, metrics, baselines and plots."""

from importlib import import_module
from typing import cast

from core.problem import Task
from problems.kind import Kind

_MODULES: dict[Task, tuple[str, str]] = {
    "binary_classification": ("problems.binary", "Binary"),
    "multiclass_classification": ("problems.multiclass", "Multiclass"),
    "regression": ("problems.regression", "Regression"),
}


def kind(task: Task) -> Kind:
    """Return the kind of problem of a task; its module, which imports NumPy, is imported here."""
    module, name = _MODULES[task]
    return cast(Kind, getattr(import_module(module), name)())
