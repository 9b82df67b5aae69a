"""Samples of the sweeps, by their command; those that start servers or many processes are run every night."""

import json
import re

import pytest
from sweeps import points

from tests.sweeps.__main__ import main
from tests.sweeps.catalog import KINDS, SWEEPS, TARGETS
from tests.sweeps.result import Figure, Result

NEEDS_STRACE = pytest.mark.skipif(bool(points.missing()), reason=points.missing())
HEAVY = {
    "crowd": "a dozen runs at once; a test of the runner does the same",
    "cache": "the property tests of the runner do the same",
    "facts": "a test of the triggers does the same",
    "swaps": "starts a server",
    "workers": "starts a server, and waits between kills",
    "stops": "starts many servers",
    "bodies": "imports TensorFlow in two processes",
    "requests": "starts a server",
    "sockets": "starts a server, and waits for its deadlines",
}


def _each(option: str, names: tuple[str, ...], heavy: str) -> list[str]:
    """Name all but one that another test covers."""
    return [f"--{option}={name}" for name in names if name != heavy]


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["faults", "--count", "3", *_each("target", TARGETS, "runner")], marks=NEEDS_STRACE, id="faults"),
        pytest.param(["flips", "--count", "120", *_each("kind", KINDS, "export")], id="flips"),
        *(pytest.param([name, "--sample"], marks=pytest.mark.nightly(why), id=name) for name, why in HEAVY.items()),
    ],
)
def test_a_sample_reaches_every_goal(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    code = main([*arguments, "--json"])
    result = json.loads(capsys.readouterr().out)
    missed = [figure for figure in result["figures"] if not figure["holds"]]
    # How long something takes on a busy machine is no promise of a sample.
    assert not [figure for figure in missed if not re.search(r"p99|after more than 1 s|MiB|memory", figure["name"])]
    assert not result["problems"]
    assert code in {0, 1}


def test_every_sweep_is_listed_with_its_size(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    listed = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in listed] == [*SWEEPS]
    assert "1,000,000 cases" in next(line for line in listed if line.startswith("bodies"))


def test_a_figure_stands_beside_its_goal() -> None:
    figures = (Figure("points", 1200), Figure("lost", 0, "0"), Figure("p99", 2.5, "at most 2", holds=False))
    result = Result("faults", 10, 1, "2026-11-28", "c0ffee", 0.5, 12.0, figures, ("a thing",))
    assert not result.holds
    text = "\n".join(result.lines())
    assert "| points | 1,200 | - |  |" in text
    assert "| lost | 0 | 0 | reached |" in text
    assert "| p99 | 2.5 | at most 2 | MISSED |" in text
    assert json.loads(result.as_json())["figures"][2] == {
        "name": "p99", "measured": 2.5, "goal": "at most 2", "holds": False,
    }  # fmt: skip
