import multiprocessing
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from core.backends.metadata import ArtifactFacts, LineageError, RunFacts, TaskFacts, open_metadata, release

START = datetime(2013, 4, 1, tzinfo=UTC)


def artifact(kind: str, name: str) -> ArtifactFacts:
    return ArtifactFacts(f"system.{kind}", f"/store/artifacts/{name}", f"sha256:{name}", {"rows": 7})


EXAMPLES, MODEL, PICTURES = artifact("Dataset", "examples"), artifact("Model", "model"), artifact("HTML", "pictures")
VERSION = release("m", 3, "sha256:saved", "/store/models/m/3")


def task(name: str, inputs: dict[str, ArtifactFacts], outputs: dict[str, ArtifactFacts], **changes: Any) -> TaskFacts:
    component = Path(name).name.replace("-", "_")
    facts = TaskFacts(
        name,
        component,
        "SUCCEEDED",
        execution=f"x-{name}",
        started=START,
        seconds=1.5,
        parameters={"config": {"a": 1.0}},
    )
    return replace(facts, inputs=inputs, outputs=outputs, **changes)


TASKS = (
    task("ingest-examples", {}, {"examples": EXAMPLES}),
    task("compute-statistics", {"examples": EXAMPLES}, {"pictures": PICTURES}),
    task("train-model", {"examples": EXAMPLES, "eval": EXAMPLES}, {"model": MODEL}),
    task("condition-1/push-model", {"model": MODEL}, {"version": VERSION}),
)
RUN = RunFacts("run-1", "m-level1", "SUCCEEDED", START, {"span": 4, "data": "sha256:d"}, {"stages": "sha256:c"}, TASKS)


def rows(path: Path) -> dict[str, list]:
    import sqlite3

    with sqlite3.connect(path) as store:
        tables = [
            "Artifact",
            "Execution",
            "Context",
            "Event",
            "Association",
            "Attribution",
            "ExecutionProperty",
            "ContextProperty",
        ]
        return {table: store.execute(f"select * from {table}").fetchall() for table in tables}


def without_times(tables: dict[str, list]) -> dict[str, list]:
    return {
        table: [tuple(value for value in row if not (isinstance(value, int) and value > 10**11)) for row in found]
        for table, found in tables.items()
    }


def test_a_version_is_traced_back_to_run_tasks_code_data_and_parameters(tmp_path: Path) -> None:
    metadata = open_metadata(tmp_path / "metadata.sqlite")
    metadata.record(RUN)
    lineage = metadata.lineage("m", 3, "sha256:saved")
    assert (lineage.path, lineage.data) == ("/store/models/m/3", (EXAMPLES,))
    assert lineage.run == replace(RUN, tasks=tuple(one for one in lineage.run.tasks))
    assert [one.name for one in lineage.run.tasks] == ["ingest-examples", "train-model", "condition-1/push-model"]
    assert lineage.task("ingest_examples") == TASKS[0]
    assert lineage.task("push_model") == TASKS[3]
    with pytest.raises(LineageError, match="does not come from a task of compute_statistics"):
        lineage.task("compute_statistics")


def test_the_same_run_again_changes_nothing(tmp_path: Path) -> None:
    metadata = open_metadata(tmp_path / "metadata.sqlite")
    metadata.record(RUN)
    before = rows(tmp_path / "metadata.sqlite")
    open_metadata(tmp_path / "metadata.sqlite").record(RUN)
    assert without_times(rows(tmp_path / "metadata.sqlite")) == without_times(before)


def test_the_record_of_a_failed_run_is_updated_when_it_is_resumed(tmp_path: Path) -> None:
    metadata = open_metadata(tmp_path / "metadata.sqlite")
    failed = task("train-model", {"examples": EXAMPLES}, {}, state="FAILED")
    metadata.record(replace(RUN, state="FAILED", tasks=(*TASKS[:2], failed)))
    with pytest.raises(LineageError, match="nothing is recorded of m version 3"):
        metadata.lineage("m", 3, "sha256:saved")
    metadata.record(RUN)
    lineage = metadata.lineage("m", 3, "sha256:saved")
    assert lineage.run.state == "SUCCEEDED"
    assert lineage.task("train_model").state == "SUCCEEDED"


def test_a_cached_task_has_the_artifacts_of_the_first_run(tmp_path: Path) -> None:
    metadata = open_metadata(tmp_path / "metadata.sqlite")
    metadata.record(RUN)
    cached = replace(RUN, run_id="run-2", tasks=tuple(replace(one, cached=True) for one in TASKS))
    metadata.record(cached)
    assert len(rows(tmp_path / "metadata.sqlite")["Artifact"]) == 4
    assert metadata.lineage("m", 3, "sha256:saved").run.run_id == "run-1"
    partly = (
        TASKS[0],
        *(replace(one, cached=False) for one in TASKS[1:3]),
        replace(TASKS[3], outputs={"version": release("m", 4, "sha256:s4", "/4")}),
    )
    metadata.record(replace(RUN, run_id="run-3", tasks=(replace(partly[0], cached=True), *partly[1:])))
    lineage = metadata.lineage("m", 4, "sha256:s4")
    assert [(one.name, one.cached) for one in lineage.run.tasks] == [
        ("ingest-examples", True),
        ("train-model", False),
        ("condition-1/push-model", False),
    ]


def test_recording_waits_for_a_lock_of_another_program(tmp_path: Path) -> None:
    path = tmp_path / "metadata.sqlite"
    metadata = open_metadata(path)
    metadata.record(RUN)
    holder = (
        "import sqlite3, sys, time; c = sqlite3.connect(sys.argv[1], isolation_level=None); "
        "c.execute('begin exclusive'); print(1, flush=True); time.sleep(0.5)"
    )
    with subprocess.Popen([sys.executable, "-c", holder, str(path)], stdout=subprocess.PIPE) as process:
        assert process.stdout.readline()
        metadata.record(replace(RUN, run_id="run-2"))
    assert len(rows(path)["Context"]) == 3


def _record(path: Path, number: int) -> None:
    open_metadata(path).record(replace(RUN, run_id=f"run-{number}"))


def test_runs_that_end_at_the_same_time_are_all_recorded(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_record, args=(tmp_path / "metadata.sqlite", number)) for number in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(300)
    assert [worker.exitcode for worker in workers] == [0] * 3
    assert len(rows(tmp_path / "metadata.sqlite")["Context"]) == 4


@pytest.mark.parametrize("content", [b"not a database" * 500, b"SQLite format 3\0" + b"\xff" * 5000])
def test_a_damaged_store_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "metadata.sqlite").write_bytes(content)
    with pytest.raises(LineageError, match=rf"{tmp_path}/metadata\.sqlite: wanted ML Metadata's SQLite file"):
        open_metadata(tmp_path / "metadata.sqlite").record(RUN)


def test_a_store_without_a_run_says_so(tmp_path: Path) -> None:
    with pytest.raises(LineageError, match="nothing is recorded yet"):
        open_metadata(tmp_path / "metadata.sqlite").lineage("m", 3, "sha256:saved")
