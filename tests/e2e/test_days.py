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
FIRST = "mlops run flight_delay"
"""The command that nearly every page begins with: it runs once."""


def _id(page: Page) -> str:
    return page.path.stem


@pytest.fixture(scope="module")
def surroundings(tmp_path_factory: pytest.TempPathFactory, laptop_at: LaptopAt) -> Iterator[Surroundings]:
    """One store for all pages, in which flight_delay ran."""
    home = tmp_path_factory.mktemp("days") / "home"
    outcome, _ = run_to_end(laptop_at(home), RunRequest(load(find("flight_delay"))))
    assert outcome.pushed is not None, outcome.headline
    terminal = Terminal(home)
    _, *arguments = FIRST.split()
    process = terminal.start(*arguments)
    out, err = process.communicate(timeout=600)
    assert process.returncode == 0, err
    output = home.parent / "first.txt"
    output.write_text(err + out, encoding="utf-8")
    environment = {**os.environ, "PORT": str(free_port()), "MLOPS_WARM": "5"}
    yield Surroundings(home, environment, known={FIRST: output})
    terminal.call("workers", "stop")


@pytest.mark.nightly("trains flight_delay on all of its rows, and runs the commands of thirty days")
@pytest.mark.parametrize("page", find_pages(), ids=_id)
def test_a_page_shows_what_its_commands_print(page: Page, surroundings: Surroundings) -> None:
    ended = list(walk(page, surroundings, lambda _: None))
    assert not [problem for one in ended for problem in one.problems]
