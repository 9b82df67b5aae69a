"""The quality of two runs side by side: what a person, and a pull request, is told of it."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from core.decision import Bound, Decision, compare
from core.store import Store
from mlops.cli.main import cli
from mlops.runs.history import write_run, write_submission
from mlops.runs.record import Artifact, Run, State, Task
from mlops.runs.submission import Submission
from pipelines.kinds import Kind

Metrics = dict[str, float | None]


def _metrics(overall: Metrics, slices: dict[str, Metrics]) -> dict[str, Any]:
    return {
        "version": 1,
        "overall": {"candidate": overall, "champion": None},
        "slices": [{"slice": {"carrier": name}, "candidate": one, "examples": 9} for name, one in slices.items()],
    }


class Runs:
    """Stores with runs that ended, each newer than the one before."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._at = 1_700_000_000

    def add(self, store: str, run_id: str, auc: float | None, **more: Any) -> str:
        """Add a run whose evaluation gave this AUC; None: it ended before its evaluation."""
        folder = self.folder / store / "runs" / run_id
        folder.mkdir(parents=True)
        submission = Submission("flight_delay", "sha256:code", kind=more.get("kind", Kind.TRAINING), pipeline="level0")
        write_submission(folder, submission)
        tasks = () if auc is None else (self._evaluation(folder, auc, more.get("slices", {})),)
        parameters = {"data": more.get("data", "sha256:a"), "span": 4}
        pipeline = more.get("pipeline", "flight-delay-level0")
        started = datetime(2026, 1, 1, tzinfo=UTC)
        write_run(Run(run_id, pipeline, submission, State.SUCCEEDED, parameters, started, 3.0, folder, tasks=tasks), {})
        self._at += 60
        os.utime(folder / "record.json", (self._at, self._at))
        return run_id

    def _evaluation(self, folder: Path, auc: float, slices: dict[str, Metrics]) -> Task:
        evaluation = folder / "evaluation"
        evaluation.mkdir()
        numbers = _metrics({"example_count": 27564.0, "auc": auc, "log_loss": 0.5}, slices)
        (evaluation / "metrics.json").write_text(json.dumps(numbers))
        Decision.of("evaluate_model", (compare("auc", auc, Bound(at_least=0.63)),)).write(folder / "decision.json")
        outputs = {
            "evaluation": Artifact("system.Artifact", str(evaluation)),
            "decision": Artifact("system.Artifact", str(folder / "decision.json")),
        }
        return Task("evaluate-model", "evaluate_model", State.SUCCEEDED, outputs=outputs)

    def compare(self, store: str, *arguments: str) -> Result:
        where = Store(self.folder / store)
        return CliRunner().invoke(cli, ["runs", "compare", *arguments], env={"MLOPS_HOME": str(where.root)})


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    return Runs(tmp_path)


def test_a_metric_is_shown_with_both_values_its_direction_and_its_rule(runs: Runs) -> None:
    before, after = runs.add("here", "one", 0.676), runs.add("here", "two", 0.68)
    done = runs.compare("here", before, after)
    assert done.exit_code == 0, done.output
    lines = [line.strip() for line in done.output.splitlines()]
    assert lines[1] == "auc: 0.6760 -> 0.6800 (+0.0040, better); the gate wants auc >= 0.63"
    assert "example_count: 27,564 -> 27,564 (+0.0000)" in lines
    assert "log_loss: 0.5000 -> 0.5000 (+0.0000)" in lines, "no rule says which way is better"


def test_a_gate_that_closes_and_a_slice_that_loses_are_said(runs: Runs) -> None:
    before = runs.add("here", "one", 0.676, slices={"AA": {"auc": 0.7}, "UA": {"auc": 0.6}})
    after = runs.add("here", "two", 0.62, slices={"AA": {"auc": 0.6}, "UA": {"auc": 0.61}})
    output = runs.compare("here", before, after).output
    assert "gate evaluate_model: pass -> fail" in output
    assert "auc on carrier=AA: 0.7000 -> 0.6000 (-0.1000, worse)" in output
    assert "carrier=UA" not in output


def test_other_data_and_a_missing_evaluation_are_said(runs: Runs) -> None:
    runs.add("here", "one", 0.676)
    runs.add("here", "two", None, data="sha256:b")
    output = runs.compare("here", "one", "two").output
    assert "the runs used other data: data was sha256:a, and is sha256:b" in output
    assert "the second run has no evaluation" in output
    assert "auc: 0.6760 -> unknown" in output


def test_the_newest_run_of_another_store_is_found_and_is_of_the_same_pipeline(runs: Runs) -> None:
    runs.add("main", "old", 0.60)
    runs.add("main", "main", 0.67)
    runs.add("main", "other", 0.1, pipeline="flight-delay-level1")
    runs.add("main", "monitor", 0.1, kind=Kind.MONITORING)
    runs.add("here", "mine", 0.68)
    done = runs.compare("here", f"{runs.folder}/main", "newest", "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.output)
    assert (found["before"]["run_id"], found["after"]["run_id"]) == ("main", "mine")
    assert found["metrics"][0]["change"] == pytest.approx(0.01)


def test_a_run_is_never_compared_with_itself_by_newest(runs: Runs) -> None:
    runs.add("here", "one", 0.67)
    runs.add("here", "two", 0.68)
    assert json.loads(runs.compare("here", "two", "newest", "--json").output)["after"]["run_id"] == "one"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("newest", "newest"), "wanted two runs"),
        (("nope", "newest"), "no run 'nope'"),
        (("/nowhere/", "newest"), "wanted a run of flight-delay-level0"),
    ],
)
def test_what_cannot_be_compared_is_named(runs: Runs, arguments: tuple[str, str], message: str) -> None:
    runs.add("here", "one", 0.67)
    done = runs.compare("here", *arguments)
    assert done.exit_code != 0
    assert message in str(done.exception)


def test_markdown_has_a_table_and_no_live_text_of_others(runs: Runs) -> None:
    runs.add("here", "one", 0.676, slices={"@all": {"auc": 0.7}})
    runs.add("here", "two", 0.67, slices={"@all": {"auc": 0.6}})
    output = runs.compare("here", "one", "two", "--markdown").output
    assert "| `auc` | 0.6760 | 0.6700 | -0.0060 worse | `auc >= 0.63` |" in output
    assert "carrier=@\u200ball" in output
