"""A run is exported also where a gate was closed, and where an output is not what it was."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from core.store import Store
from mlops.actions.verification.checks import of_folder
from mlops.actions.verification.export import export
from mlops.runs.history import write_run, write_submission
from mlops.runs.record import Artifact, Run, State, Task
from mlops.runs.submission import Submission

DIGEST = f"sha256:{'0' * 64}"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def _ended(store: Store, pushed: str) -> str:
    """Keep a run whose only task wrote this as the version that it pushed; returns its id."""
    folder, output = store.runs / "run-1", store.root / "artifacts" / "push" / "1" / "pushed"
    folder.mkdir(parents=True)
    output.parent.mkdir(parents=True)
    output.write_text(pushed)
    outputs = {"pushed": Artifact("system.Artifact", str(output))}
    task = Task("push-model", "push_model", State.SUCCEEDED, outputs=outputs)
    submission = Submission("penguins", DIGEST)
    write_submission(folder, submission)
    write_run(Run("run-1", "p", submission, State.SUCCEEDED, {}, datetime.now(UTC), 1.0, folder, tasks=(task,)), {})
    return "run-1"


@pytest.mark.parametrize("pushed", ["null\n", "", "{", "[]", '{"name": "penguins"}'])
def test_a_run_that_pushed_nothing_is_exported_with_what_it_wrote(store: Store, tmp_path: Path, pushed: str) -> None:
    export(store, _ended(store, pushed), tmp_path / "export")
    assert (tmp_path / "export" / "artifacts" / "push" / "1" / "pushed").read_text() == pushed
    assert "models" not in {path.name for path in (tmp_path / "export").iterdir()}
    assert not [check.rule for check in of_folder(tmp_path / "export").checks if check.rule.startswith("version")]


def test_a_pushed_version_is_in_the_export(store: Store, tmp_path: Path) -> None:
    (store.models / "penguins" / "7").mkdir(parents=True)
    (store.models / "penguins" / "7" / "saved_model.pb").write_text("weights")
    run_id = _ended(store, f'{{"name": "penguins", "version": 7, "digest": "{DIGEST}"}}')
    export(store, run_id, tmp_path / "export")
    assert (tmp_path / "export" / "models" / "penguins" / "7" / "saved_model.pb").read_text() == "weights"
