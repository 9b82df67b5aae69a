"""A version carries the decisions of the run that published it, whichever run pushes it again."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from core.backends.registry import open_registry
from core.decision import Bound, Decision, Verdict, compare
from core.store import Store
from mlops.actions.verification.checks import of_run
from mlops.runs.history import write_run, write_submission
from mlops.runs.record import Artifact, Run, State, Task
from mlops.runs.submission import Submission

DIGEST = f"sha256:{'0' * 64}"


def _decided(latency: float) -> Decision:
    return Decision.of("validate_infra", (compare("latency", latency, Bound(at_most=50.0)),))


@pytest.mark.parametrize(
    ("submission", "latency", "verdicts"),
    [("first", 7.0, [Verdict.PASS]), ("first", 8.0, [Verdict.FAIL]), ("second", 8.0, [])],
)
def test_a_version_has_the_decisions_of_the_run_that_published_it(
    tmp_path: Path, submission: str, latency: float, verdicts: list[Verdict]
) -> None:
    store = Store(tmp_path / "store")
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "saved_model.pb").write_text("graph")
    about = {"submission": "first", "evidence": [{"decision": _decided(7.0).model_dump(mode="json")}]}
    version = open_registry(store.registry).publish("penguins", tmp_path / "model", about)
    folder, artifacts = store.runs / "run-1", store.root / "artifacts"
    for path in (folder, artifacts):
        path.mkdir(parents=True)
    _decided(latency).write(artifacts / "decision")
    (artifacts / "pushed").write_text(json.dumps({"name": "penguins", "version": 1, "digest": version.digest}))
    tasks = tuple(
        Task(stage, stage, State.SUCCEEDED, outputs={output: Artifact("system.Artifact", str(artifacts / output))})
        for stage, output in (("validate_infra", "decision"), ("push_model", "pushed"))
    )
    sent = Submission("penguins", DIGEST)
    parameters = {"submission": submission}
    write_submission(folder, sent)
    write_run(Run("run-1", "p", sent, State.SUCCEEDED, parameters, datetime.now(UTC), 1.0, folder, tasks=tasks), {})
    carried = [check for check in of_run(store, "run-1").checks if "carries the decision" in check.rule]
    assert [check.verdict for check in carried] == verdicts
