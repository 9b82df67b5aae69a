"""Loads the files of a use case inside a step, and only those that the pipeline was compiled for.

A compiled pipeline names user files as `usecases/flight_delay/module.py@sha256:<hex>`, relative to the project's root
(the folder that holds `usecases/`) or absolute. The digest makes the code part of every cache key, and an image that
holds other code than the pipeline was compiled for is found out before anything runs.
"""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from core import digest
from core.errors import MlopsError, did_you_mean

ROOT = Path(__file__).resolve().parents[1]


def reference(path: Path) -> str:
    """Name a file with its digest, for a pipeline that is being compiled."""
    absolute = path.resolve()
    name = absolute.relative_to(ROOT).as_posix() if absolute.is_relative_to(ROOT) else str(absolute)
    return f"{name}@{digest.of_file(absolute)}"


def resolve(ref: str) -> Path:
    """Return the file that a reference names.

    Raises MlopsError when the file is not there, or is not the one that the pipeline was compiled for.
    """
    name, _, wanted = ref.partition("@")
    path = ROOT / name
    if not path.is_file():
        raise MlopsError(
            f"{path}: the use case's file is not there; the image must be built from the same sources as the pipeline"
        )
    if wanted and (got := digest.of_file(path)) != wanted:
        raise MlopsError(
            f"{path}: the pipeline was compiled for {wanted}, but this file is {got}; compile again, or rebuild the image"
        )
    return path


def load(ref: str) -> ModuleType:
    """Import the Python module that a reference names; what the module itself raises passes through."""
    path = resolve(ref)
    name = f"usecase_{path.parent.name}_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise MlopsError(f"{path}: wanted a Python module, got a file that Python cannot import")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def function(module: ModuleType, name: str) -> object:
    """Return a function of a user's module; MlopsError names the nearest one when it is not there."""
    found = getattr(module, name, None)
    if found is None:
        public = [key for key, value in vars(module).items() if callable(value) and not key.startswith("_")]
        raise MlopsError(f"{module.__file__}: wanted a function {name}(){did_you_mean(name, public)}")
    return found
