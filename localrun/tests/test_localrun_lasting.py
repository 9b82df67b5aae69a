"""A warm process may outlive the run that started it: the next run finds it, unless anything has changed."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any, Self

import pytest
from kfp import dsl
from localrun_project import appears, gone, is_alive

from localrun import Environment, Hosts, Lasting, Run, State
from localrun.hosts import host as hosts_host
from localrun.hosts import lasting as hosts_lasting
from localrun.hosts.host import Host
from localrun.hosts.lasting import processes, stop

Go = Callable[..., Run]
PRELOAD = ("helper",)
MINUTES = 120.0


@pytest.fixture
def lasting(tmp_path: Path) -> Iterator[Lasting]:
    """A place for lasting processes, which is empty again after the test."""
    place = Lasting(tmp_path / "warm", least_free=0)
    yield place
    for one in processes(place.folder):
        os.kill(one.pid, signal.SIGKILL)
        assert gone(one.pid)


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    """A folder with a module that is preloaded."""
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "helper.py").write_text("VALUE = 1\n")
    settled()
    return Environment(cwd=folder)


def settled() -> None:
    """Let a change be older than the imports that follow: file systems keep time by the clock's ticks."""
    time.sleep(0.05)


class Meeting:
    """A connection of a run to its warm process."""

    def __init__(self, environment: Environment, lasting: Lasting | None, preload: tuple[str, ...] = PRELOAD) -> None:
        self._known = threading.Event()
        self._ended: dict[str, dict[str, Any]] = {}
        self.host = Host(environment, preload, lasting)
        self.host.watch(lambda _: self._known.set())

    def __enter__(self) -> Self:
        assert self._known.wait(MINUTES)
        return self

    def __exit__(self, *_: object) -> None:
        self.host.close()

    def run(self, script: str, folder: Path, name: str = "task") -> None:
        """Start a shell script as a task."""
        launch = {
            "mode": "command",
            "argv": ["sh", "-c", script],
            "variables": {},
            "withheld": [],
            "log": str(folder / f"{name}.log"),
            "grace": 0.1,
            "inputs": "",
            "cleanup": [],
            "cwd": str(folder),
            "hidden": "",
        }
        (folder / f"{name}.json").write_text(json.dumps(launch))
        self.host.submit(name, folder / f"{name}.json", lambda message: self._ended.__setitem__(name, message))

    def ended(self, name: str = "task") -> dict[str, Any]:
        """Wait for the end of a task."""
        until(lambda: name in self._ended)
        return self._ended[name]


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + MINUTES
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def only(lasting: Lasting) -> int:
    """Return the number of the one process that lives."""
    (one,) = processes(lasting.folder)
    return one.pid


def served_by(environment: Environment, lasting: Lasting) -> int:
    """Connect as a run does, and return the process that served it."""
    with Meeting(environment, lasting) as meeting:
        assert meeting.host.is_ready, meeting.host.error
        assert meeting.host.pid in {one.pid for one in processes(lasting.folder)}
        return meeting.host.pid


def test_the_next_run_finds_the_process_and_its_tasks_run_there(
    environment: Environment, lasting: Lasting, tmp_path: Path
) -> None:
    parents = []
    for _ in range(2):
        with Meeting(environment, lasting) as meeting:
            meeting.run(f"ps -o ppid= -p $PPID > {tmp_path}/parent", tmp_path)
            assert meeting.ended()["status"] == 0, (tmp_path / "task.log").read_text()
            parents.append(int((tmp_path / "parent").read_text()))
            seconds = meeting.host.seconds
    assert parents == [only(lasting)] * 2
    assert seconds == 0.0


def _edit(environment: Environment) -> None:
    (environment.cwd / "helper.py").write_text("VALUE = 2\n")


def _restore(environment: Environment) -> None:
    """Write other content with the old time and size, as `cp --preserve` does."""
    path = environment.cwd / "helper.py"
    about = path.stat()
    path.write_text("VALUE = 3\n")
    os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns))


def _shadow(environment: Environment) -> None:
    (environment.cwd / "email.py").write_text("")


def _replace_folder(environment: Environment) -> None:
    environment.cwd.rename(environment.cwd.with_name("old"))
    environment.cwd.mkdir()
    (environment.cwd / "helper.py").write_text("VALUE = 1\n")


@pytest.mark.parametrize("change", [_edit, _restore, _shadow, _replace_folder])
def test_a_changed_file_is_a_new_process(
    environment: Environment, lasting: Lasting, change: Callable[[Environment], None]
) -> None:
    first = served_by(environment, lasting)
    assert served_by(environment, lasting) == first
    change(environment)
    second = served_by(environment, lasting)
    assert second != first
    assert gone(first)


def test_what_imports_read_is_watched(environment: Environment, lasting: Lasting, tmp_path: Path) -> None:
    settings = tmp_path / "settings"
    settings.write_text("1")
    (environment.cwd / "helper.py").write_text(f"VALUE = open({str(settings)!r}).read()\n")
    settled()
    first = served_by(environment, lasting)
    assert served_by(environment, lasting) == first
    settings.write_text("2")
    assert served_by(environment, lasting) != first


SETTINGS = """
from pathlib import Path
with Path("../imports").open("a") as log:
    log.write("x")
if not Path("../settings").exists() or {always}:
    Path("../settings").write_text("1")
VALUE = Path("../settings").read_text()
"""


def writes_settings(environment: Environment, *, always: bool = False, then: str = "") -> Path:
    """Have the imports write what they read; returns the file that counts how often they did everything."""
    (environment.cwd / "helper.py").write_text(SETTINGS.format(always=always) + then)
    settled()
    return environment.cwd.parent / "imports"


def test_imports_that_write_what_they_read_are_made_again_before_the_next_run(
    environment: Environment, lasting: Lasting, tmp_path: Path
) -> None:
    imports = writes_settings(environment)
    first = served_by(environment, lasting)
    until(lambda: imports.read_text() == "xx")
    for _ in range(2):
        with Meeting(environment, lasting) as meeting:
            assert meeting.host.pid == first
            meeting.run("true", tmp_path)
            assert meeting.ended()["status"] == 0
    assert imports.read_text() == "xx"
    (tmp_path / "settings").write_text("2")
    assert served_by(environment, lasting) != first
    assert stop(lasting.folder, MINUTES) == []


def test_a_run_that_comes_meanwhile_is_served_and_one_after_a_change_is_not(
    environment: Environment, lasting: Lasting
) -> None:
    imports = writes_settings(environment, then="import time; time.sleep(1.0)\n")
    first = served_by(environment, lasting)
    until(lambda: imports.read_text() == "xx")
    assert served_by(environment, lasting) == first
    (environment.cwd / "helper.py").write_text("VALUE = 2\n")
    assert served_by(environment, lasting) != first


def test_imports_that_write_every_time_serve_one_run(environment: Environment, lasting: Lasting) -> None:
    imports = writes_settings(environment, always=True)
    first = served_by(environment, lasting)
    assert gone(first, MINUTES)
    assert imports.read_text() == "xx"
    assert not list(lasting.folder.iterdir())
    assert served_by(environment, lasting) != first


def test_a_process_that_imports_again_can_be_stopped(environment: Environment, lasting: Lasting) -> None:
    imports = writes_settings(environment, then="import time; time.sleep(1.0)\n")
    first = served_by(environment, lasting)
    until(lambda: imports.read_text() == "xx")
    assert stop(lasting.folder, MINUTES) == []
    assert gone(first)


def test_a_run_that_leaves_during_the_imports_does_not_make_the_next_one_trust_them(
    environment: Environment, lasting: Lasting, tmp_path: Path
) -> None:
    settings = tmp_path / "settings"
    settings.write_text("1")
    imports = writes_settings(environment, then="import time; time.sleep(0.5); import colorsys\n")  # and notices
    leaving = Meeting(environment, lasting)
    until(imports.exists)
    first = only(lasting)
    leaving.host.close()
    until(lambda: not processes(lasting.folder)[0].importing)
    settings.write_text("2")
    assert served_by(environment, lasting) != first


def test_variables_and_rights_are_those_of_the_run(
    environment: Environment, lasting: Lasting, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = served_by(environment, lasting)
    other = replace(environment, variables={"LEVEL": "1"})
    second = served_by(other, lasting)
    monkeypatch.setenv("TMPDIR", "/var/tmp")
    third = served_by(other, lasting)
    before = os.umask(0o077)
    try:
        fourth = served_by(other, lasting)
    finally:
        os.umask(before)
    assert len({first, second, third, fourth}) == 4


def test_an_activated_environment_has_the_same_process(
    environment: Environment, lasting: Lasting, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = served_by(environment, lasting)
    monkeypatch.setenv("PATH", str(environment.python.absolute().parent), prepend=os.pathsep)
    assert served_by(environment, lasting) == first
    monkeypatch.setenv("PATH", "/somewhere/else", prepend=os.pathsep)
    assert served_by(environment, lasting) != first


def test_a_process_that_stays_connected_is_stale_when_any_file_changes(
    environment: Environment, lasting: Lasting
) -> None:
    with Meeting(environment, lasting) as meeting:
        assert not meeting.host.is_stale()
        (environment.cwd / "another.py").write_text("")  # not imported, but now it can be
        assert meeting.host.is_stale()


def test_a_killed_process_is_replaced(environment: Environment, lasting: Lasting, tmp_path: Path) -> None:
    first = served_by(environment, lasting)
    os.kill(first, signal.SIGKILL)
    assert gone(first)
    second = served_by(environment, lasting)
    with Meeting(environment, lasting) as meeting:
        meeting.run(f"echo $$ > {tmp_path}/pid; sleep 600", tmp_path)
        task = int(appears(tmp_path / "pid"))
        os.kill(second, signal.SIGKILL)
        assert meeting.ended().get("status") != 0
        assert gone(task)
        until(lambda: meeting.host.error)
        assert "outlives runs, is gone" in meeting.host.error
    assert served_by(environment, lasting) != second


def test_a_socket_that_a_dead_process_has_left_is_no_obstacle(environment: Environment, lasting: Lasting) -> None:
    name = hosts_lasting._name(environment, PRELOAD)
    lasting.folder.mkdir()
    folder = os.open(lasting.folder, os.O_PATH)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as left:
        left.bind(f"/proc/self/fd/{folder}/{name}.sock")  # the path itself may be longer than an address can be
    os.close(folder)
    assert is_alive(served_by(environment, lasting))


def test_runs_that_begin_at_once_share_one_process(environment: Environment, lasting: Lasting, tmp_path: Path) -> None:
    script = (
        "import sys, threading; from pathlib import Path; from localrun import Environment, Lasting;"
        "from localrun.hosts.host import Host; known = threading.Event();"
        "host = Host(Environment(cwd=Path(sys.argv[1])), ('helper',), Lasting(Path(sys.argv[2]), least_free=0));"
        "host.watch(lambda _: known.set()); known.wait(); print(host.error or 'ready', flush=True);"
        "input(); host.close()"
    )
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", script, str(environment.cwd), str(lasting.folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    assert [run.stdout.readline() for run in runs if run.stdout] == ["ready\n"] * 3
    pid = only(lasting)
    runs[0].kill()
    assert [run.communicate("\n", timeout=MINUTES)[0] for run in runs[1:]] == ["", ""]
    runs[0].communicate()
    assert served_by(environment, lasting) == pid


@pytest.mark.parametrize("ending", ["closed", "killed"])
def test_the_tasks_of_a_run_end_with_it_and_the_process_stays(
    environment: Environment, lasting: Lasting, tmp_path: Path, ending: str
) -> None:
    first = served_by(environment, lasting)
    with Meeting(environment, lasting) as other, Meeting(environment, lasting) as meeting:
        other.run(f"echo $$ > {tmp_path}/other; sleep 600", tmp_path, "other")
        meeting.run(f"echo $$ > {tmp_path}/pid; sleep 600", tmp_path)
        pid, others = int(appears(tmp_path / "pid")), int(appears(tmp_path / "other"))
        if ending == "killed":
            meeting.host.cancel("task", kill=True)
            assert meeting.ended()["status"] != 0
        else:
            meeting.host.close()
        assert gone(pid)
        assert is_alive(others)
    assert gone(others)
    assert served_by(environment, lasting) == first


@pytest.mark.parametrize("place", ["/proc/warm", "file", "lax", "long"])
def test_where_no_socket_can_be_the_run_has_a_process_of_its_own(
    environment: Environment, tmp_path: Path, place: str
) -> None:
    folder = tmp_path / place
    if place == "file":
        folder.write_text("")
    if place == "lax":
        folder.mkdir(mode=0o777)
        folder.chmod(0o777)
    if place == "long":
        folder = tmp_path.joinpath(*["long" * 20] * 3)
    lasting = Lasting(Path(place) if place == "/proc/warm" else folder, least_free=0)
    with Meeting(environment, lasting) as meeting:
        assert meeting.host.is_ready, meeting.host.error
        meeting.run("true", tmp_path)
        assert meeting.ended()["status"] == 0
    kept = processes(lasting.folder)
    assert len(kept) == (1 if place in {"lax", "long"} else 0)
    if kept:
        assert folder.stat().st_mode & 0o777 == 0o700
        assert (folder / f"{kept[0].name}.sock").stat().st_mode & 0o777 == 0o600
        assert not stop(folder, MINUTES)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_folder_of_another_user_is_not_used(environment: Environment, lasting: Lasting) -> None:
    lasting.folder.mkdir(mode=0o700)
    os.chown(lasting.folder, 12345, 12345)
    with Meeting(environment, lasting) as meeting:
        assert meeting.host.is_ready, meeting.host.error
    assert not list(lasting.folder.iterdir())


@pytest.mark.parametrize(
    "reason", [{"idle": 0.2}, {"idle": 2.0, "least_free": 2**62}, {"idle": 2.0}], ids=["idle", "memory", "no socket"]
)
def test_an_idle_process_leaves_nothing_behind(
    environment: Environment, lasting: Lasting, reason: dict[str, Any]
) -> None:
    pid = served_by(environment, replace(lasting, **reason))
    if reason == {"idle": 2.0}:
        for path in lasting.folder.iterdir():
            path.unlink()
    assert gone(pid, MINUTES)
    assert not list(lasting.folder.iterdir())


def test_a_process_with_a_run_does_not_leave(environment: Environment, lasting: Lasting, tmp_path: Path) -> None:
    with Meeting(environment, replace(lasting, idle=0.01, least_free=2**62)) as meeting:
        for name in ("one", "two"):
            meeting.run("sleep 0.1", tmp_path, name)
            assert meeting.ended(name)["status"] == 0


def test_there_are_never_more_than_allowed(environment: Environment, lasting: Lasting, tmp_path: Path) -> None:
    few, pids = replace(lasting, most=2), []
    for number in range(3):
        folder = tmp_path / f"project-{number}"
        folder.mkdir()
        (folder / "helper.py").write_text("")
        pids.append(served_by(Environment(cwd=folder), few))
    assert gone(pids[0], MINUTES)
    assert {one.pid for one in processes(lasting.folder)} == set(pids[1:])


def test_a_stopped_process_leaves_at_the_end_of_its_run(
    environment: Environment, lasting: Lasting, tmp_path: Path
) -> None:
    with Meeting(environment, lasting) as meeting:
        busy = only(lasting)
        assert [one.pid for one in stop(lasting.folder, 0.1)] == [busy]
        meeting.run("true", tmp_path)
        assert meeting.ended()["status"] == 0
        assert served_by(environment, lasting) != busy
    assert gone(busy, MINUTES)
    assert stop(lasting.folder, MINUTES) == []


def test_a_process_that_does_not_answer_is_replaced(
    environment: Environment, lasting: Lasting, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped = served_by(environment, lasting)
    os.kill(stopped, signal.SIGSTOP)
    monkeypatch.setattr(hosts_host, "_QUIET", 0.05)
    monkeypatch.setattr(hosts_host, "_SILENT", 0.1)
    with Meeting(environment, lasting) as meeting:
        assert meeting.host.is_ready
    assert gone(stopped, MINUTES)


def test_a_secret_does_not_stay(environment: Environment, lasting: Lasting, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", "secret")
    with Hosts(lasting) as hosts:
        hosts.get(replace(environment, preload=PRELOAD, passed=("TOKEN",)), executes=True)
        hosts.get(replace(environment, preload=PRELOAD), executes=False)
    assert not processes(lasting.folder)


def test_an_import_that_fails_is_named_every_time(environment: Environment, lasting: Lasting) -> None:
    (environment.cwd / "helper.py").write_text("raise ValueError('no such thing')\n")
    for _ in range(2):
        with Meeting(environment, lasting) as meeting:
            assert "importing helper failed" in meeting.host.error
            assert "no such thing" in meeting.host.error
    (environment.cwd / "helper.py").write_text("import os; os._exit(3)\n")
    with Meeting(environment, lasting) as meeting:
        assert "ended with exit code 3" in meeting.host.error
    until(lambda: not processes(lasting.folder))


def test_a_run_computes_the_same_bytes_in_a_used_process_as_in_a_new_one(
    go: Go, stages: ModuleType, lasting: Lasting, tmp_path: Path
) -> None:
    @dsl.pipeline(name="same")
    def pipeline(marker: str) -> None:
        written = stages.write(text="abc")
        others = stages.read(data=written.outputs["data"]), stages.variable(name="PATH")
        stages.kill_host_once(marker=marker).set_retry(1).after(*others)  # they would die with the host

    digests, pids = [], []
    for _ in range(3):
        with Hosts(lasting) as hosts:
            run = go(pipeline, {"marker": str(tmp_path / "marker")}, hosts=hosts, cache=False)
        assert run.state is State.SUCCEEDED, [task.error for task in run.tasks]
        digests.append([[a.digest for a in task.outputs.artifacts.values()] for task in run.tasks])
        pids.append(only(lasting))
    assert digests[0] == digests[1] == digests[2]
    assert pids[0] == pids[1] == pids[2]  # the one that took the place of the killed one
    assert run.task("kill-host-once").outputs.parameters == {"Output": "alive"}
