from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.actions.scoring.healthy import Healthy, healthy


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Healthy:
    """A store in which every row has its point; do not write to it."""
    return healthy(tmp_path_factory.mktemp("score") / "project")


@pytest.fixture
def copied(made: Healthy, tmp_path: Path) -> Callable[[], Healthy]:
    """Copy the store, to plant a defect in."""
    return lambda: made.copy(tmp_path / "project")
