"""What coverage leaves out is there, and what comes after it is traced again."""

import sys
from importlib.util import find_spec
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any

import pytest

from tests.measuring import LIBRARIES, _leave_out


@pytest.mark.parametrize("name", LIBRARIES)
def test_a_library_that_is_left_out_has_that_module(name: str) -> None:
    """A module that has moved would be traced again, and nobody would know; a function's is an error on import."""
    top, *inner = name.split(".")
    folders = getattr(find_spec(top), "submodule_search_locations", None) or ()
    paths = [Path(folder, *inner) for folder in folders]
    assert any(path.with_suffix(".py").is_file() or (path / "__init__.py").is_file() for path in paths)


@pytest.mark.parametrize("fails", [False, True])
def test_tracing_goes_on_after_a_function_that_is_left_out(fails: bool) -> None:
    seen: list[Any] = []

    def long() -> None:
        seen.append(sys.gettrace())
        if fails:
            raise ValueError

    def trace(*_: FrameType | Any) -> None:
        return None

    library = ModuleType("library")
    library.long = long  # type: ignore[attr-defined]
    _leave_out(library, "long")
    before = sys.gettrace()
    sys.settrace(trace)
    try:
        library.long()  # type: ignore[attr-defined]
    except ValueError:
        pass
    finally:
        seen.append(sys.gettrace())
        sys.settrace(before)
    assert seen == [None, trace]
