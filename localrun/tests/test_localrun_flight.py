"""Equal work is done once at a time, and tasks run beside each other while their memory fits."""

import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from kfp import dsl
from localrun_project import appears

from localrun import Run, State
from localrun.cache.flight import Flights
from localrun.execution.admission import Admission
from localrun.execution.loop import Loop
from localrun.hosts.memory import available
from localrun.store.layout import Layout

Go = Callable[..., Run]
KEY = f"sha256:{'ab' * 32}"
HOLD = """
import sys, time; from pathlib import Path
from localrun.cache.flight import Flights
from localrun.store.layout import Layout; from localrun.execution.loop import Loop
assert Flights(Layout(Path(sys.argv[1])), Loop().post).acquire(sys.argv[2], print)
Path(sys.argv[1], "held").write_text("x"); time.sleep(60)
"""


@pytest.mark.known_failure(27)
def test_a_key_held_by_a_process_that_dies_is_free_at_once(tmp_path: Path) -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path), KEY])
    appears(tmp_path / "held")
    loop, landed = Loop(), threading.Event()
    flights = Flights(Layout(tmp_path), loop.post)
    assert not flights.acquire(KEY, landed.set)
    assert flights.acquire(f"sha256:{'cd' * 32}", landed.set)
    holder.kill()
    holder.wait()
    loop.receive()
    assert landed.is_set()
    flights.close()
    again = Flights(Layout(tmp_path), loop.post)
    assert again.acquire(KEY, landed.set)
    again.close()
    loop.close()


def test_a_run_that_ends_while_it_waits_gives_the_key_back(tmp_path: Path) -> None:
    loop = Loop()
    first, second, third = (Flights(Layout(tmp_path), loop.post) for _ in range(3))
    assert first.acquire(KEY, list)
    assert not second.acquire(KEY, list)
    second.close()
    first.close()
    landed = threading.Event()
    if not third.acquire(KEY, landed.set):  # the thread of the second may hold it for a moment
        loop.receive()
        assert landed.is_set()
    third.close()
    loop.close()


def test_equal_tasks_of_one_run_are_computed_once(go: Go, stages: ModuleType, tmp_path: Path) -> None:
    log = tmp_path / "log"

    @dsl.pipeline(name="equal")
    def pipeline() -> None:
        for _ in range(4):
            stages.write(text="a", log=str(log))
        stages.write(text="b", log=str(log))

    run = go(pipeline, max_workers=4)
    assert run.state is State.SUCCEEDED
    assert sorted(log.read_text().splitlines()) == ["write a", "write b"]
    assert sum(task.cached for task in run.tasks) == 3
    go(pipeline, cache=False)
    assert len(log.read_text().splitlines()) == 7


def test_where_the_first_of_equal_tasks_fails_the_next_one_tries(go: Go, stages: ModuleType, tmp_path: Path) -> None:
    @dsl.pipeline(name="tries")
    def pipeline(counter: str) -> None:
        for _ in range(3):
            stages.flaky(counter=counter, failures=1)

    run = go(pipeline, {"counter": str(tmp_path / "n")})
    assert sorted((str(task.state), task.cached) for task in run.tasks) == [
        ("FAILED", False),
        ("SUCCEEDED", False),
        ("SUCCEEDED", True),
    ]


@pytest.fixture
def beside(compiled: Callable[[Any], Path]) -> Callable[[str], Path]:
    """Three tasks that write down how many of them run; each waits for `most` of them, for a minute at the longest."""
    script = """
        folder=$0
        runs() { ls "$folder" | grep -c run-; }
        noted() { cat "$folder/seen" 2>/dev/null | wc -l; }
        wait_for() { n=0; while [ "$($1)" -lt "$2" ] && [ $n -lt 600 ]; do n=$((n + 1)); sleep 0.1; done; }
        touch "$0/run-$1"; sleep 0.2; wait_for runs "$2"; runs >> "$0/seen"; wait_for noted "$2"; rm "$0/run-$1"
    """

    def make(memory: str) -> Path:
        @dsl.container_component
        def step(folder: str, number: int, most: int) -> dsl.ContainerSpec:
            return dsl.ContainerSpec(image="alpine", command=["sh", "-c", script], args=[folder, number, most])

        @dsl.pipeline(name="beside")
        def pipeline(folder: str, most: int) -> None:
            for number in range(3):
                task = step(folder=folder, number=number, most=most)
                if memory:
                    task.set_memory_request(memory)

        return compiled(pipeline)

    return make


@pytest.mark.parametrize("case", [("2G", 3 * 10**9, 1), ("2G", 10**9, 1), ("1G", 10**10, 3), ("", 0, 3)])
def test_tasks_run_beside_each_other_while_their_memory_fits(
    go: Go, beside: Callable[[str], Path], tmp_path: Path, case: tuple[str, int, int]
) -> None:
    memory, free, most = case
    inputs = {"folder": str(tmp_path), "most": most}
    run = go(beside(memory), inputs, max_workers=3, available_memory=lambda: free)
    assert run.state is State.SUCCEEDED
    assert max(int(line) for line in (tmp_path / "seen").read_text().split()) == most


def test_what_a_task_used_the_last_time_is_what_it_needs(go: Go, stages: ModuleType, tmp_path: Path) -> None:
    asked = []

    def free() -> int:
        asked.append(1)
        return 0

    @dsl.pipeline(name="learns")
    def pipeline() -> None:
        for number in range(2):
            stages.add(a=number)

    assert go(pipeline, available_memory=free, max_workers=2, cache=False).state is State.SUCCEEDED
    assert not asked
    assert go(pipeline, available_memory=free, max_workers=2, cache=False).state is State.SUCCEEDED
    assert asked


def test_the_machine_says_what_is_left() -> None:
    assert 2**20 < available() <= 2**62
    assert Admission({}, available).fits(object(), [])  # type: ignore[arg-type]
