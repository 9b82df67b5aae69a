import functools
import inspect
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.object_store import bucket, object_store

__all__ = ["bucket", "compiled_pipeline", "object_store"]

# kfp asks for its caller with every setting of a task; reading source lines for that takes 0.1 s under pytest.
inspect.stack = functools.partial(inspect.stack, context=0)

LONGEST_FIRST = ("e2e", "usecase", "component", "conformance")
"""Rooms of long files: handed out first, so that the processes of a parallel run end at about the same time."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=_rank)


def _rank(item: pytest.Item) -> int:
    room = Path(item.nodeid.partition("::")[0]).parts[1]
    return LONGEST_FIRST.index(room) if room in LONGEST_FIRST else len(LONGEST_FIRST)


@pytest.fixture(scope="session")
def compiled_pipeline(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return the compiled file of a pipeline of flight_delay; compiled once, so do not write to it."""
    from pipelines.compiled import compile_pipeline
    from pipelines.config import find, load

    folder = tmp_path_factory.mktemp("compiled")

    def compiled(pipeline: str) -> Path:
        path = folder / f"{pipeline}.yaml"
        if not path.exists():
            compile_pipeline(load(find("flight_delay")), pipeline, path)
        return path

    return compiled
