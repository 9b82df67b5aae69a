"""No head and no body makes the server fail, hang, or keep memory; `python -m tests.sweeps requests` sends more."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from fuzz import ask, fault, good, request
from live_server import Live, started

from serving.http.server import Options
from serving.limits import Limits
from serving.versions.manager import Watch

LIMITS = Limits(body_bytes=200_000, body_seconds=2.0, header_seconds=2.0, header_bytes=8192, linger_seconds=1.0)
DEADLINE = 90.0
"""Seconds: an answer within the limits' few seconds, on a machine that does other things too."""
SAMPLE = 400


@pytest.fixture(scope="module")
def live(exported: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    options = Options(LIMITS, Watch(seconds=3600))
    with started(options, exported, tmp_path_factory.mktemp("fuzz")) as running:
        yield running


def test_every_request_is_answered_or_closed_and_none_is_an_error_of_the_server(live: Live) -> None:
    faults = []
    for seed in range(SAMPLE):
        if why := fault(ask(live.port, request(random.Random(seed)), DEADLINE)):
            faults.append(f"seed {seed}: {why}")
    assert not faults
    assert good(live.port, DEADLINE)
    assert live.server._app.budget._charged == 0
