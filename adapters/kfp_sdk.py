"""Imports KFP's SDK without its client, once this module is imported.

The client loads Kubernetes' and Google's libraries, two thirds of what the SDK takes to import, and only a submission
needs it. `kfp.Client` and `kfp.components` are loaded by whoever asks for them first. Read from kfp 2.13.0
(`__init__.py`).
"""

import importlib
import sys
from types import ModuleType
from typing import Any

_LATER = {"kfp.client": ("Client",), "kfp.components": ()}
"""Module that `kfp` imports -> names that it takes from it."""


def _import() -> ModuleType:
    """Return `kfp`, imported with modules in place of those of _LATER that have their names alone."""
    for name, taken in _LATER.items():
        sys.modules[name] = ModuleType(name)
        sys.modules[name].__dict__.update(dict.fromkeys(taken))
    try:
        sdk = importlib.import_module("kfp")
    finally:
        for name in _LATER:
            del sys.modules[name]
    for name, taken in _LATER.items():
        for attribute in (name.rpartition(".")[2], *taken):
            sdk.__dict__.pop(attribute, None)
    return sdk


def _later(attribute: str) -> Any:
    """Return an attribute that `kfp` would have by now; a module's `__getattr__`."""
    for name, taken in _LATER.items():
        if attribute in taken:
            return getattr(importlib.import_module(name), attribute)
        if name == f"kfp.{attribute}":
            return importlib.import_module(name)
    raise AttributeError(f"module 'kfp' has no attribute {attribute!r}")


if "kfp" not in sys.modules:
    _import().__dict__["__getattr__"] = _later  # of a module, PEP 562
