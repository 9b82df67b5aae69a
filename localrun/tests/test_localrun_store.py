"""The store: readable errors, nothing lost on a full disk, and a folder that can be carried away."""

import errno
import json
import os
import shutil
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from kfp import dsl

import localrun
from localrun import Environment, Hosts, LocalrunError, Options, Run, State
from localrun.environments.code import CodeFinder
from localrun.errors import UnknownCode
from localrun.store import layout, trees
from localrun.store.digests import Digests
from localrun.store.journal import Journal

Go = Callable[..., Run]


@pytest.fixture
def pair(stages: ModuleType, compiled: Callable[[Any], Path]) -> Path:
    @dsl.pipeline(name="pair")
    def pair(text: str = "hello") -> None:
        stages.read(data=stages.write(text=text).outputs["data"])

    return compiled(pair)


def test_what_is_shown_is_what_was_returned(go: Go, pair: Path, tmp_path: Path) -> None:
    run = go(pair)
    store = tmp_path / "store"
    assert localrun.show(store, run.run_id) == run
    assert [known.run_id for known in localrun.runs(store)] == [run.run_id]
    written = json.loads((run.folder / "run.json").read_text())
    assert [task["state"] for task in written["tasks"]] == ["SUCCEEDED", "SUCCEEDED"]
    assert written["tasks"][0]["outputs"]["artifacts"]["data"]["uri"].startswith("store:artifacts/pair/write-")
    assert run.task("write").max_rss_bytes > 2**20
    assert run.task("write").seconds > 0


def test_two_runs_in_the_same_second_have_two_names(go: Go, pair: Path) -> None:
    noon = datetime(2026, 2, 28, 12, tzinfo=UTC)
    names = [go(pair, clock=lambda: noon, new_id=lambda n=n: f"id{n}").run_id for n in (1, 2, 3)]  # type: ignore[misc]
    assert names == ["pair-20260228120000", "pair-20260228120000-2", "pair-20260228120000-3"]


def test_a_store_can_be_carried_away(
    go: Go, pair: Path, environments: dict[str, Environment], hosts: Hosts, tmp_path: Path
) -> None:
    run = go(pair)
    shutil.move(tmp_path / "store", tmp_path / "elsewhere")
    shown = localrun.show(tmp_path / "elsewhere", run.run_id)
    assert (shown.task("write").outputs.artifacts["data"].path / "part").read_text() == "hello"
    again = localrun.run(
        pair, {}, store=tmp_path / "elsewhere", environments=environments, options=Options(hosts=hosts)
    )
    assert [task.cached for task in again.tasks] == [True, True]


@pytest.mark.parametrize("damage", ["version", "foreign", "garbage"])
def test_a_journal_that_cannot_be_read_is_named(go: Go, pair: Path, tmp_path: Path, damage: str) -> None:
    go(pair)
    file = tmp_path / "store" / "localrun.sqlite"
    if damage == "garbage":
        file.write_bytes(b"x" * 8192)
        message = "file is not a database"
    else:
        with sqlite3.connect(file) as journal:
            journal.execute("PRAGMA user_version = 7" if damage == "version" else "PRAGMA application_id = 7")
        message = "schema version 7, this localrun reads 1" if damage == "version" else "schema version 1"
    with pytest.raises(LocalrunError, match=message) as error:
        localrun.runs(tmp_path / "store")
    assert str(file) in str(error.value)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE runs SET outputs = replace(outputs, '{', '{ ')",  # the same content, written otherwise
        "UPDATE tasks SET record = replace(record, '\"attempts\":1', '\"attempts\":2')",
        "UPDATE tasks SET state = 'FAILED' WHERE position = 1",
        'UPDATE tasks SET record = replace(record, \'"seal":"\', \'"seal":"0\')',
        "UPDATE runs SET parameters = '{}'",
        "UPDATE runs SET seconds = seconds + 1",
        "UPDATE executions SET outputs = replace(outputs, 'sha256:', 'sha256:0')",
        "UPDATE executions SET outputs = substr(outputs, 1, 40)",
    ],
)
def test_a_record_that_changed_on_the_disk_is_named_and_never_used(
    go: Go, pair: Path, tmp_path: Path, change: str
) -> None:
    run = go(pair)
    with sqlite3.connect(tmp_path / "store" / "localrun.sqlite") as journal:
        assert journal.execute(change).rowcount > 0
    if "replace(outputs, '{'" in change:
        assert localrun.show(tmp_path / "store", run.run_id) == run
        return
    with pytest.raises(LocalrunError, match=r"localrun\.sqlite: a record is not as it was written"):
        localrun.show(tmp_path / "store", run.run_id)
        go(pair)


def test_an_empty_store_has_no_runs(tmp_path: Path) -> None:
    assert localrun.runs(tmp_path) == []
    with pytest.raises(LocalrunError, match="no run has been started here"):
        localrun.show(tmp_path, "a")
    with pytest.raises(LocalrunError, match="no run has been started here"):
        localrun.resume("a", store=tmp_path / "nowhere", environments={})
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.known_failure(21)
def test_a_new_journal_waits_for_another_process_that_makes_it(tmp_path: Path) -> None:
    place = layout.Layout(tmp_path)
    with ThreadPoolExecutor(1) as pool:
        with layout.alone(place), closing(sqlite3.connect(place.journal, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")  # what SQLite does to make a new file a write-ahead log
            opening = pool.submit(lambda: Journal(place).close())
            with pytest.raises(TimeoutError):
                opening.result(0.5)
        opening.result(60)
    assert localrun.runs(tmp_path) == []


@pytest.mark.parametrize("fault", [(errno.ENOSPC, "part"), (errno.EIO, "part"), (errno.ENOSPC, "pair")])
def test_a_disk_that_fails_is_named_and_the_run_goes_on_later(
    go: Go, pair: Path, environments: dict[str, Environment], monkeypatch: pytest.MonkeyPatch, fault: tuple[int, str]
) -> None:
    number, place = fault
    sync = layout._sync

    def failing(path: Path) -> None:
        if path.name == place:  # a file, or the folder that a finished execution has just been moved to
            raise OSError(number, "no luck", str(path))
        sync(path)

    monkeypatch.setattr(layout, "_sync", failing)
    run = go(pair)
    assert run.state is State.FAILED
    assert f"{place}: no luck" in run.task("write").error
    assert ("free some space" in run.task("write").error) == (number == errno.ENOSPC)
    monkeypatch.undo()
    store = run.folder.parents[1]
    assert not list((store / "artifacts" / "pair").iterdir())
    done = localrun.resume(run.run_id, store=store, environments=environments)
    assert done.state is State.SUCCEEDED
    assert not list(store.rglob(".staging-*"))


def test_a_store_that_cannot_be_written_is_named_before_anything_runs(go: Go, pair: Path, tmp_path: Path) -> None:
    (tmp_path / "store").write_text("a file")
    with pytest.raises(LocalrunError, match="store"):
        go(pair)


def test_an_input_that_changed_after_it_was_made_is_not_used(go: Go, stages: ModuleType, tmp_path: Path) -> None:
    @dsl.pipeline(name="tampered")
    def pipeline() -> None:
        written = stages.write(text="a")
        stages.read(data=written.outputs["data"]).after(stages.echo(text="meanwhile").after(written))

    def tamper(event: object) -> None:
        task = getattr(event, "task", None)
        if task is not None and task.name == "write" and task.state is State.SUCCEEDED:
            (task.outputs.artifacts["data"].path / "part").write_text("b")

    run = go(pipeline, on_event=tamper)
    assert run.state is State.FAILED
    assert "the artifact 'data' is sha256:" in run.task("read").error


def test_a_digest_sees_what_a_time_stamp_hides(tmp_path: Path) -> None:
    digests, file = Digests(), tmp_path / "folder" / "file"
    file.parent.mkdir()
    seen = set()
    for content in ("a", "b", "c"):
        file.write_text(content)
        seen.add(digests.of(file.parent))
    assert len(seen) == 3
    assert digests.of(tmp_path / "nothing") == "absent"
    assert Digests().of(file.parent) == digests.of(file.parent)
    (file.parent / "empty").mkdir()
    assert digests.of(file.parent) not in seen


def code(folder: Path) -> dict[str, str]:
    found = CodeFinder(Digests()).named("f", Environment(cwd=folder, sources={"f": (folder,)}))
    assert found is not None
    return found


def test_what_is_no_source_code_in_a_folder(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("a = 1")
    (tmp_path / ".gitignore").write_text("*.log\n/out/\n")
    before = code(tmp_path)
    assert list(before) == ["a.py"]
    for name in (
        "__pycache__/a.pyc",
        ".git/HEAD",
        ".venv/x.py",
        "b.pyc",
        ".hidden",
        "my-env/pyvenv.cfg",
        "my-env/lib/x.py",
        "conda/conda-meta/history",
        "conda/x.py",
        "store/localrun.sqlite",
        "store/runs/run/log.txt",
        "run.log",
        "out/result.txt",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / name).write_text("x")
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "nowhere").symlink_to("/nowhere/at/all")
    (tmp_path / "round").symlink_to(tmp_path)
    assert code(tmp_path) == before
    (tmp_path / "data.json").write_text("{}")
    assert code(tmp_path) != before


def test_code_that_cannot_be_known_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = Environment(cwd=tmp_path, sources={"f": (tmp_path / "gone.py",)})
    with pytest.raises(UnknownCode, match=r"gone\.py is named as code, but it does not exist"):
        CodeFinder(Digests()).named("f", gone)
    (tmp_path / "large").write_bytes(bytes(2**20 + 1))
    monkeypatch.setattr(trees, "BYTES", 2**20)
    with pytest.raises(UnknownCode, match=r"holds more than 1 MB \(at large\)"):
        code(tmp_path)
    monkeypatch.setattr(os, "scandir", refused)
    with pytest.raises(UnknownCode, match="cannot be read: Permission denied"):
        code(tmp_path)


def refused(path: Path) -> None:
    raise PermissionError(errno.EACCES, "Permission denied", path)


def test_code_behind_a_link_counts(tmp_path: Path) -> None:
    for name in ("shared", "project"):
        (tmp_path / name).mkdir()
    (tmp_path / "shared/part.py").write_text("a = 1")
    (tmp_path / "project/lib").symlink_to("../shared")
    before = code(tmp_path / "project")
    (tmp_path / "shared/part.py").write_text("a = 2")
    assert list(before) == ["lib/part.py"]
    assert code(tmp_path / "project") != before
