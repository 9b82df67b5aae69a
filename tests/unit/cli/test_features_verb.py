"""`mlops features`: shows a run's selection, and writes the schema that it was made for, or refuses."""

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner

from artifacts.selection.selection import FeatureResult, MethodResult, Selection
from core import digest
from core.errors import MlopsError, UsageError
from core.store import Store
from core.user_code import ROOT
from mlops.cli.features import features
from mlops.runs.history import write_run, write_submission
from mlops.runs.record import Artifact, Run, State, Task
from mlops.runs.submission import Submission
from pipelines.kinds import Kind

SCHEMA = """# Curated.
feature {
  name: "text"
  type: BYTES
}
feature {
  name: "length"   # in characters
  type: INT
}
"""
METRICS = {"accuracy": 0.8, "auc": 0.7}


@pytest.fixture
def usecase(tmp_path: Path) -> Path:
    folder = tmp_path / "spam"
    shutil.copytree(ROOT / "usecases" / "spam", folder, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "schema.pbtxt").write_text(SCHEMA, encoding="utf-8")
    return folder


@pytest.fixture
def store(tmp_path: Path, usecase: Path) -> Store:
    """A store with one run that selected features."""
    store = Store(tmp_path / "store")
    methods = [
        MethodResult(name=name, features=("text",), metrics=METRICS, loss=0, loss_at_most=0, stability=1, seconds=1)
        for name in ("all", "l1")
    ]
    found = Selection(
        schema_digest=digest.of_file(usecase / "schema.pbtxt"),
        skill="AUC", max_loss=0.01, rows=100, folds=3, seeds=(0, 1), chosen="l1", applied=False,
        methods=tuple(methods),
        features=(FeatureResult(name="text", verdict="selected"), FeatureResult(name="length", verdict="left out")),
        left_out=("length",),
    )  # fmt: skip
    found.write(store.root / "selection")
    task = Task(
        "select-features",
        "select_features",
        State.SUCCEEDED,
        outputs={"selection": Artifact("system.Artifact", str(store.root / "selection"))},
    )
    folder = store.runs / "run-1"
    folder.mkdir(parents=True)
    submission = Submission(
        usecase="spam", code="", world="laptop", cli_name="spam", pipeline="level1", kind=Kind.TRAINING, cache=True,
        release={}, trigger="", containers=False,
    )  # fmt: skip
    write_submission(folder, submission)
    run = Run("run-1", "spam-level1", submission, State.SUCCEEDED, {}, datetime.now(UTC), 1.0, folder, tasks=(task,))
    summary = {"run_id": "run-1", "usecase": "spam", "tasks": [{"name": "select-features", "state": "SUCCEEDED"}]}
    write_run(run, summary)
    return store


def test_the_difference_is_shown_before_it_is_applied(store: Store, usecase: Path) -> None:
    before = (usecase / "schema.pbtxt").read_text(encoding="utf-8")
    shown = CliRunner().invoke(features, ["show", str(usecase)], obj=store, catch_exceptions=False)
    assert "+  lifecycle_stage: DISABLED  # not selected by l1" in shown.output
    with pytest.raises(UsageError, match="nothing was written: this is no terminal to ask at; add --yes"):
        CliRunner().invoke(features, ["apply", str(usecase)], obj=store, catch_exceptions=False)
    with pytest.raises(UsageError, match="--json asks no question"):
        CliRunner().invoke(features, ["apply", str(usecase), "--json"], obj=store, catch_exceptions=False)
    assert (usecase / "schema.pbtxt").read_text(encoding="utf-8") == before
    done = CliRunner().invoke(features, ["apply", str(usecase), "--yes"], obj=store, catch_exceptions=False)
    assert done.output.index("+  lifecycle_stage") < done.output.index("wrote ")
    after = (usecase / "schema.pbtxt").read_text(encoding="utf-8").splitlines()
    assert [line for line in after if line not in before.splitlines()] == [
        "  lifecycle_stage: DISABLED  # not selected by l1"
    ]


def test_machines_get_the_same_facts(store: Store, usecase: Path) -> None:
    done = CliRunner().invoke(features, ["apply", str(usecase), "--yes", "--json"], obj=store, catch_exceptions=False)
    facts = json.loads(done.output)
    assert facts["applied"]
    assert facts["run_id"] == "run-1"
    assert facts["read_by_module"] == ["length"]


def test_a_schema_that_changed_since_the_run_is_not_touched(store: Store, usecase: Path) -> None:
    schema = usecase / "schema.pbtxt"
    schema.write_text(schema.read_text(encoding="utf-8") + "# by hand\n", encoding="utf-8")
    before = schema.read_bytes()
    with pytest.raises(UsageError, match="got one that was changed since; run again"):
        CliRunner().invoke(features, ["apply", str(usecase), "--yes"], obj=store, catch_exceptions=False)
    assert schema.read_bytes() == before


def test_without_a_selection_the_next_step_is_named(store: Store, tmp_path: Path) -> None:
    with pytest.raises(
        MlopsError, match=r"no run of digits in .* selected features; write the section select_features"
    ):
        CliRunner().invoke(features, ["show", "digits"], obj=store, catch_exceptions=False)
