"""The README, word for word: run, run again, a new month, a death in the middle, serving, and one step back."""

import time
from pathlib import Path
from typing import Any

import pytest

from core.backends.registry import open_registry
from core.decision import Decision, Verdict
from core.errors import CorruptArtifact
from core.store import Store
from mlops.actions.verification.checks import of_folder
from mlops.actions.verification.export import INDEX
from mlops.worlds.machine.workers import VARIABLE

from .conftest import WARM_MINUTES, LaptopAt, Road
from .terminal import Terminal, answer, serving

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def own(warm_store: Store, laptop_at: LaptopAt, months: dict[int, Any]) -> Road:
    """A store that the command line and warm workers share."""
    return Road(warm_store.root.parent, laptop_at(warm_store.root), months)


@pytest.fixture(scope="module")
def terminal(own: Road) -> Terminal:
    """A terminal whose runs find the workers of the run before, as those of a laptop do."""
    terminal = Terminal(own.store.root)
    terminal.environment[VARIABLE] = WARM_MINUTES
    return terminal


@pytest.fixture(scope="module")
def folder(own: Road) -> str:
    """flight_delay over sampled months, as a folder from anywhere."""
    return str(own.usecase("sampled"))


FLIGHT = {
    "carrier": "UA",
    "origin": "EWR",
    "dest": "ORD",
    "day_of_week": 5,
    "hour": 18,
    "distance": 719.0,
    "temp": 39.0,
    "precip": 0.02,
}


def test_level_0_ends_in_a_verdict_and_pushes_nothing(own: Road, folder: str) -> None:
    """The first experiment of somebody new; the run that pushes takes from it what is the same."""
    experiment = own.run(Path(folder), "level0", span=3)
    assert experiment.pushed is None
    assert "models push" in experiment.next_step
    assert not open_registry(str(own.store.models)).names()


def test_the_first_run_pushes_a_model_and_the_second_is_all_cache(terminal: Terminal, folder: str) -> None:
    first = terminal.call("run", folder, "--span", "3")
    assert {task["state"] for task in first["tasks"]} == {"SUCCEEDED"}
    assert [decision["gate"] for decision in first["decisions"]] == [
        "scope_use_case",
        "validate_data",
        "evaluate_model",
        "validate_infra",
        "push_model",
    ]
    assert first["pushed_model"]["version"] == 1
    assert Path(first["report"]).read_text(encoding="utf-8").count("<svg") > 3
    logs = {log: log.read_text(encoding="utf-8") for log in (terminal.home / "runs").rglob("log.txt")}
    assert logs
    assert not [log for log, text in logs.items() if "could not prepare" in text]
    again = terminal.call("run", folder, "--span", "3")
    assert all(task["cached"] for task in again["tasks"])
    assert again["pushed_model"] == first["pushed_model"]


def test_a_run_that_dies_leaves_the_champion_and_is_resumed_to_its_release(terminal: Terminal, folder: str) -> None:
    process = terminal.start("run", folder, "--span", "4", "--pipeline", "level2")
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("train-model: RUNNING"):
            process.kill()
            break
    process.wait(timeout=180)
    run_id = next(run["run_id"] for run in terminal.ask("runs", "list")["runs"] if run["state"] == "INTERRUPTED")
    assert terminal.model()["champion"] == 1
    assert f"mlops runs follow {run_id}" in terminal.refused("runs", "show", run_id)
    assert f"mlops runs resume {run_id}" in terminal.refused("runs", "follow", run_id)
    resumed = terminal.call("runs", "resume", run_id)
    assert resumed["run_id"] == run_id
    assert resumed["pushed_model"]["version"] == 2
    assert resumed["parameters"]["champion"].startswith("1@sha256:")
    assert not list(terminal.home.rglob(".staging-*"))
    assert (resumed["decisions"][-1]["gate"], resumed["decisions"][-1]["verdict"]) == ("promote_release", "pass")
    release = terminal.ask("release", "show", "flight_delay@dev")
    assert release["record"]["model"]["version"] == 2
    created = terminal.ask("release", "create", "newest")
    assert created["commit"] == "", "the sources of a use case from anywhere are of no commit of this project"
    assert terminal.ask("release", "verify", created["id"])["decision"]["verdict"] == "pass"


def test_the_model_in_production_answers_over_rest(terminal: Terminal, folder: str) -> None:
    with serving(terminal, folder) as address:
        model = f"{address}/v1/models/flight_delay"
        (row,) = answer(f"{model}:predict", {"instances": [FLIGHT]})["predictions"]
        (same,) = answer(f"{model}/versions/2:predict", {"instances": [FLIGHT]})["predictions"]
        assert row == same
        assert 0 < row[0] < 1
        terminal.ask("models", "rollback", "flight_delay")
        deadline = time.monotonic() + 180
        while (before := answer(f"{model}:predict", {"instances": [FLIGHT]})["predictions"][0]) == row:
            assert time.monotonic() < deadline, "the server did not follow the rollback"
            time.sleep(0.2)
        assert before == answer(f"{model}/versions/1:predict", {"instances": [FLIGHT]})["predictions"][0]


def test_a_model_that_was_rolled_back_does_not_come_back_by_itself(own: Road, terminal: Terminal, folder: str) -> None:
    outcome = own.run(Path(folder), span=4)
    assert (outcome.exit_code, outcome.pushed) == (3, None), outcome.headline
    assert terminal.model()["champion"] == 1


def test_an_exported_run_is_checked_without_its_store_and_a_changed_bit_in_any_file_is_found(
    terminal: Terminal, tmp_path: Path
) -> None:
    run_id = terminal.ask("runs", "show", "flight_delay@1")["run_id"]
    folder = tmp_path / "export"
    assert not terminal.ask("runs", "export", run_id, "-o", str(folder))["missing"]
    elsewhere = folder.rename(tmp_path / "elsewhere")
    assert [path.name for path in tmp_path.iterdir()] == ["elsewhere"]
    verified = of_folder(elsewhere)
    assert verified.is_open, verified.summary
    files = sorted(path for path in elsewhere.rglob("*") if path.is_file() and path.stat().st_size)
    for path in {path.suffix or path.name: path for path in files}.values():
        content = path.read_bytes()
        path.write_bytes(bytes([content[0] ^ 1]) + content[1:])
        assert f"file {path.relative_to(elsewhere).as_posix()}" in _differing(elsewhere)
        path.write_bytes(content)
    (elsewhere / "runs" / run_id / "added.txt").write_text("x")
    assert _differing(elsewhere) == {f"file runs/{run_id}/added.txt"}


def _differing(folder: Path) -> set[str]:
    try:
        return _failed(of_folder(folder))
    except CorruptArtifact as error:  # of the index, without which nothing can be checked
        return {f"file {INDEX}"} if str(error).startswith(f"{folder / INDEX}: ") else set()


def _failed(decision: Decision) -> set[str]:
    return {check.rule for check in decision.checks if check.verdict is Verdict.FAIL}


def test_a_run_whose_gate_was_closed_is_exported_and_checked(terminal: Terminal, tmp_path: Path) -> None:
    run = terminal.ask("runs", "show", "newest")
    assert (run["state"], run["pushed_model"]) == ("SUCCEEDED", None)
    assert terminal.ask("runs", "export", "newest", "-o", str(tmp_path / "export"))["run_id"] == run["run_id"]
    assert terminal.ask("verify", "newest")["verdict"] == "pass"
    verified = of_folder(tmp_path / "export")
    assert verified.is_open, verified.summary


def test_a_version_is_verified_back_to_its_run_and_what_differs_is_named(own: Road, terminal: Terminal) -> None:
    run = terminal.ask("runs", "show", "flight_delay@2")
    assert run["pushed_model"]["version"] == 2
    assert terminal.ask("verify", "flight_delay@1")["verdict"] == "pass"
    (weights,) = (own.store.models / "flight_delay" / "1").glob("variables/*.data-*")
    content = weights.read_bytes()
    weights.write_bytes(bytes([content[0] ^ 1]) + content[1:])
    assert _failed(Decision.model_validate(terminal.ask("verify", "flight_delay@1", exits=3))) == {
        "version 1 of flight_delay"
    }
    weights.write_bytes(content)
