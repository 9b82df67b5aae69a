"""What a run was made from, by the parameters of its tasks."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from core.store import Store
from mlops.actions.verification import sources
from mlops.runs.record import Run, State, Task
from mlops.runs.submission import Submission

DIGEST = f"sha256:{'0' * 64}"
SCHEMA = "usecases/penguins/schema.pbtxt"


def test_a_champion_is_no_file_of_the_use_case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "_code", lambda *_: sources.Source("code", DIGEST))
    parameters = {"champion": f"1@{DIGEST}", "schema": f"{SCHEMA}@{DIGEST}", "config": f"x@{DIGEST}"}
    task = Task("evaluate-model", "evaluate_model", State.SUCCEEDED, parameters=parameters)
    submission = Submission("penguins", DIGEST)
    run = Run("r", "p", submission, State.SUCCEEDED, {}, datetime.now(UTC), 1.0, tmp_path, tasks=(task,))
    assert [source.what for source in sources.sources(run, Store(tmp_path))] == ["code", f"{SCHEMA}@{DIGEST}"]
