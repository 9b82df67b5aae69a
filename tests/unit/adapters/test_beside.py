"""Work beside a process gives what it would give in it, whatever becomes of the other process."""

import json
import os
import subprocess
import sys

import pytest

from adapters import beside
from tests import working_beside


@pytest.fixture(scope="module")
def said() -> dict[str, object]:
    """What a program says that has no threads yet, unlike this one."""
    done = subprocess.run([sys.executable, "-m", working_beside.__name__], capture_output=True, check=True, timeout=120)
    found: dict[str, object] = json.loads(done.stdout)
    return found


def test_a_fork_does_the_work_with_what_it_is_given(said: dict[str, object]) -> None:
    assert isinstance(said["doubled"], list)
    process, value = said["doubled"]
    assert process != said["process"]
    assert value == 42


def test_where_the_fork_dies_the_work_is_done_here(said: dict[str, object]) -> None:
    assert said["killed"] == [said["process"], 10_000_000]


def test_without_a_fork_the_work_is_done_here(said: dict[str, object]) -> None:
    assert said["here"] == [said["process"], 8]


def test_an_error_is_raised_here(said: dict[str, object]) -> None:
    assert said["error"] == "wanted rows, got none"


def test_a_fork_that_nobody_waits_for_ends_with_the_block(said: dict[str, object]) -> None:
    assert said["unfinished"] is True
    assert said["left"] is False


def test_one_core_has_no_room(monkeypatch: pytest.MonkeyPatch, said: dict[str, object]) -> None:
    assert said["room"] is (len(os.sched_getaffinity(0)) > 1)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0})
    monkeypatch.setattr(beside, "is_forkable", lambda: True)
    assert not beside.has_room()
