"""Every page of docs/days as a reader walks it: each command runs, and prints the numbers that the page shows."""

import os
import subprocess
import sys
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
NIGHT = bool(os.environ.get("MLOPS_TEST_NIGHTLY"))
FIRST = "mlops run flight_delay"
"""The command that nearly every page begins with: it runs once."""
PAGES = find_pages()
LONG = [page for page in PAGES if any(step.block.is_long for step in page.steps)]
SHORT = [page for page in PAGES if not all(step.block.is_long for step in page.steps)]


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
    environment = {**os.environ, "PORT": str(free_port()), "MLOPS_WARM": "5" if NIGHT else "off"}
    yield Surroundings(home, environment, known={FIRST: output}, skip_long=True)
    if NIGHT:
        stop = [sys.executable, "-m", "mlops.cli.main", "workers", "stop"]
        subprocess.run(stop, env=terminal.environment, check=False, capture_output=True)


@pytest.mark.nightly("trains flight_delay on all of its rows, and runs some eighty commands")
@pytest.mark.parametrize("page", SHORT, ids=_id)
def test_a_page_shows_what_its_commands_print(page: Page, surroundings: Surroundings) -> None:
    ended = list(walk(page, surroundings, lambda _: None))
    assert not [problem for one in ended for problem in one.problems]


@pytest.mark.nightly("runs the commands of days that take minutes")
@pytest.mark.parametrize("page", LONG, ids=_id)
def test_a_page_with_long_commands_shows_what_they_print(page: Page, surroundings: Surroundings) -> None:
    everything = Surroundings(surroundings.home, surroundings.environment, surroundings.known)
    ended = list(walk(page, everything, lambda _: None))
    assert not [problem for one in ended for problem in one.problems]
