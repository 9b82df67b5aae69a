"""What a run was made from, by the parameters of its tasks."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from core import digest
from core.backends.registry import open_registry
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


def test_the_model_version_of_predictions_is_a_source_with_its_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "_code", lambda *_: sources.Source("code", DIGEST))
    store = Store(tmp_path / "store")
    (tmp_path / "model" / "variables").mkdir(parents=True)
    (tmp_path / "model" / "saved_model.pb").write_text("graph")
    (tmp_path / "model" / "variables" / "data").write_text("weights")
    version = open_registry(store.registry).publish("penguins", tmp_path / "model", {})
    gone = f"{version.version}@{DIGEST}"
    tasks = tuple(
        Task(f"infer-bulk-{number}", "infer_bulk", State.SUCCEEDED, parameters={"model": reference})
        for number, reference in enumerate((version.reference, gone))
    )
    submission = Submission("penguins", DIGEST)
    run = Run("r", "p", submission, State.SUCCEEDED, {}, datetime.now(UTC), 1.0, tmp_path, tasks=tasks)
    found = {source.what: source for source in sources.sources(run, store)}
    files = found[version.reference].files
    assert sorted(files) == ["saved_model.pb", "variables/data"]
    assert found[version.reference].is_of({name: digest.of_file(path) for name, path in files.items()})
    assert "no such version" in found[gone].missing
