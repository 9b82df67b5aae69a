"""Every page of docs/days as a reader walks it: each command runs, and prints the numbers that the page shows."""

import os
from collections.abc import Iterator

import pytest

from mlops.actions.learning.page import Page, find_pages
from mlops.actions.learning.walk import Surroundings, walk
from mlops.worlds.finished import run_to_end
from mlops.worlds.world import RunRequest
from pipelines.config import find, load
from tests.free_port import free_port

from .conftest import LaptopAt
from .terminal import Terminal

pytestmark = pytest.mark.timeout(3600)


def _id(page: Page) -> str:
    return page.path.stem


@pytest.fixture(scope="module")
def surroundings(tmp_path_factory: pytest.TempPathFactory, laptop_at: LaptopAt) -> Iterator[Surroundings]:
    """One store for all pages, in which flight_delay ran: the command that most of them begin with is cached."""
    home = tmp_path_factory.mktemp("days") / "home"
    outcome, _ = run_to_end(laptop_at(home), RunRequest(load(find("flight_delay"))))
    assert outcome.pushed is not None, outcome.headline
    yield Surroundings(home, {**os.environ, "PORT": str(free_port()), "MLOPS_WARM": "5"})
    Terminal(home).call("workers", "stop")


@pytest.mark.nightly("trains flight_delay on all of its rows, and runs the commands of thirty days")
@pytest.mark.parametrize("page", find_pages(), ids=_id)
def test_a_page_shows_what_its_commands_print(page: Page, surroundings: Surroundings) -> None:
    ended = list(walk(page, surroundings, lambda _: None))
    assert not [problem for one in ended for problem in one.problems]
