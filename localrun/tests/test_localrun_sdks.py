"""What users' SDKs compile, from kfp 2.7 on, runs and gives the same results; see compiled/README.md.

With LOCALRUN_SDKS, a folder with a virtual environment `kfp-<version>` per SDK, each version's own executor runs the
tasks; without it, the kfp of this environment does.
"""

import os
import sys
from pathlib import Path
from typing import Any

import pytest

import localrun
from localrun import Environment, Hosts, Options, Run, State

COMPILED = Path(__file__).parent / "compiled"
SDKS = sorted((path.name for path in COMPILED.glob("2.*")), key=lambda name: [int(part) for part in name.split(".")])
OUTPUTS: dict[str, dict[str, Any]] = {
    "values": {"Output": '[{"n": [1, 2.5, "z"]}, 0.5, true, ["a", "b"]]'},
    "artifacts": {"Output": "four 4"},
    "nested": {"Output": 12},
    "branches": {"Output": 1},
    "loops": {"Output": 303},
    "exits": {},
    "retries": {"Output": 2},
    "commands": {"said": "a 'b' $c"},
    "imports": {"Output": "given 7"},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One working directory for all, so that they share a warm process."""
    return tmp_path_factory.mktemp("folder")


@pytest.fixture
def outcomes(sdk: str, hosts: Hosts, folder: Path, tmp_path: Path) -> dict[str, Run]:
    """Every pipeline of one SDK, run."""
    (tmp_path / "given").write_text("given")
    own = Path(os.environ.get("LOCALRUN_SDKS", "/nowhere")) / f"kfp-{sdk}" / "bin" / "python"
    environment = Environment(cwd=folder, python=own if own.exists() else Path(sys.executable), sources={"*": ()})
    parameters = {"retries": {"counter": str(tmp_path / "counter")}, "imports": {"uri": str(tmp_path / "given")}}
    return {
        name: localrun.run(
            COMPILED / sdk / f"{name}.yaml",
            parameters.get(name, {}),
            store=tmp_path / "store",
            environments={"python": environment, "alpine": environment},
            options=Options(hosts=hosts, max_workers=2),
        )
        for name in OUTPUTS
    }


@pytest.mark.parametrize("sdk", SDKS)
def test_what_an_sdk_compiled_runs_and_means_the_same(sdk: str, outcomes: dict[str, Run]) -> None:
    found = {name: dict(run.outputs.parameters) for name, run in outcomes.items()}
    wanted = {name: _named(outputs, found[name]) for name, outputs in OUTPUTS.items()}
    assert found == wanted, {name: run.first_error for name, run in outcomes.items() if run.first_error}
    assert outcomes["exits"].state is State.FAILED
    assert outcomes["exits"].task("end").outputs.parameters == {"Output": "FAILED"}
    assert outcomes["retries"].task("fail-once").attempts == 2
    assert [task.state for task in outcomes["branches"].tasks].count(State.SKIPPED) == 1


def _named(outputs: dict[str, Any], found: dict[str, Any]) -> dict[str, Any]:
    """Return the wanted outputs; the SDK chooses the name of an only one."""
    return dict(zip(found, outputs.values(), strict=False)) if len(found) == len(outputs) == 1 else outputs


def test_every_sdk_compiled_every_pipeline() -> None:
    assert {SDKS[0], SDKS[-1]} == {"2.7.0", "2.17.3"}
    assert all({path.stem for path in (COMPILED / sdk).glob("*.yaml")} == set(OUTPUTS) for sdk in SDKS)
