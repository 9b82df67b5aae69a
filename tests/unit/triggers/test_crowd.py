"""Exactly one decision and one run for each fact: deliveries doubled and shuffled, handlers racing and killed."""

from pathlib import Path

import pytest

from tests.unit.triggers.crowd import Crowd, run


@pytest.mark.known_failure(22)
def test_each_fact_has_one_decision_and_one_run(tmp_path: Path) -> None:
    outcome = run(Crowd(facts=40, deliveries=300), tmp_path)
    assert not outcome.faults, outcome
