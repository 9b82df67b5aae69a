"""Imports what tasks share, and lets the warm process answer messages meanwhile.

Loaded by `worker.py` under the environment's own interpreter; imports nothing of localrun.
"""

import importlib
import sys
import traceback
from collections.abc import Callable


class Pause:
    """A finder of modules that finds none: Python asks it at every import, and then it answers messages."""

    def __init__(self, answer: Callable[[], None]) -> None:
        self._answer = answer
        self._is_answering = False

    def find_spec(self, *_: object) -> None:
        """Answer messages, and leave the module to the other finders."""
        if self._is_answering:
            return
        self._is_answering = True
        try:
            self._answer()
        finally:
            self._is_answering = False


def load(name: str, answer: Callable[[], None]) -> str:
    """Import a module; return what went wrong, empty for nothing."""
    pause = Pause(answer)
    sys.meta_path.insert(0, pause)
    try:
        importlib.import_module(name)
    except BaseException:
        return f"importing {name} failed:\n{traceback.format_exc()[-20000:]}"
    finally:
        sys.meta_path.remove(pause)
    return ""
