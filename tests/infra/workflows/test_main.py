"""Which jobs of a commit on main run, and in which order."""

from pathlib import Path

import pytest

from tests.infra.workflows.runner import Machine
from tests.infra.workflows.stand_ins import Services, settings

STORE = "gs://bucket"


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Services(tmp_path).machine("c" * 40, {}, {})


def test_a_copy_without_a_cloud_runs_the_checks_alone(machine: Machine) -> None:
    done = machine.workflow("main.yml", skip=("checks",))
    assert {name: one.status for name, one in done.items()} == {
        "checks": "success",
        "build": "skipped",
        "staging": "skipped",
    }


def test_staging_waits_for_the_build_and_the_build_for_the_checks(machine: Machine) -> None:
    machine.variables |= {f"MLOPS_{name}": settings(name.lower(), STORE) for name in ("BUILD", "DEV", "STAGING")}
    machine.instead = {"*": "exit 1"}
    done = machine.workflow("main.yml", skip=("checks",))
    assert (done["build"].status, done["staging"].status) == ("failure", "skipped")
    assert machine.running == ["deploy-build"], "nothing was deployed"
