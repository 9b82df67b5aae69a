"""Whether the laptop's warm workers outlive a run: MLOPS_WARM says so, in CI they do not."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from core.errors import UsageError
from core.store import Store
from localrun import Environment
from localrun.hosts.host import Host
from mlops.cli.machine.doctor import warm_workers
from mlops.cli.main import cli
from mlops.worlds.machine import workers
from mlops.worlds.machine.workers import lasting, started, waiting


@pytest.mark.parametrize(
    ("environment", "seconds"),
    [
        ({}, 900.0),
        ({"CI": "false"}, 900.0),
        ({"CI": "true"}, None),
        ({"CI": "true", "MLOPS_WARM": "on"}, 900.0),
        ({"MLOPS_WARM": "off"}, None),
        ({"MLOPS_WARM": "2.5"}, 150.0),
    ],
)
def test_workers_outlive_a_run_unless_told_otherwise(
    tmp_path: Path, environment: dict[str, str], seconds: float | None
) -> None:
    found = lasting(Store(tmp_path), environment)
    assert (found.idle if found else None) == seconds


@pytest.mark.parametrize("value", ["yes", "0", "-1", "nan"])
def test_another_value_is_refused(tmp_path: Path, value: str) -> None:
    with pytest.raises(UsageError, match="MLOPS_WARM: wanted off, on, or a number of minutes"):
        lasting(Store(tmp_path), {"MLOPS_WARM": value})


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[int]:
    """A worker that waits in a store, with little imported."""
    known = threading.Event()
    host = Host(Environment(cwd=tmp_path), ("json",), lasting(Store(tmp_path), {}))
    host.watch(lambda _: known.set())
    assert known.wait(120), host.error
    host.close()
    yield host.pid
    CliRunner().invoke(cli, ["workers", "stop"], env={"MLOPS_HOME": str(tmp_path)})


def test_the_doctor_and_a_verb_show_workers_and_the_verb_stops_them(tmp_path: Path, worker: int) -> None:
    assert warm_workers(Store(tmp_path)).found.startswith("1 wait for the next run")

    def said(*arguments: str) -> str:
        return CliRunner().invoke(cli, ["workers", *arguments], env={"MLOPS_HOME": str(tmp_path)}).output

    assert [one["pid"] for one in json.loads(said("list", "--json"))["workers"]] == [worker]
    assert said("list").split()[0] == str(worker)
    assert json.loads(said("stop", "--json")) == {"stopped": [worker], "busy": []}
    assert waiting(Store(tmp_path)) == []
    assert said("list") == "No warm worker waits.\n"
    assert warm_workers(Store(tmp_path)).found == "none"


@pytest.mark.parametrize("first", [True, False], ids=["a new store", "a store that has compiled a pipeline"])
def test_the_first_run_of_a_store_starts_its_workers_and_no_other_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: bool
) -> None:
    imported = tmp_path / "imported"
    (tmp_path / "slow.py").write_text(f"import pathlib; pathlib.Path({str(imported)!r}).touch()")
    environment = Environment(cwd=tmp_path, preload=("kfp.dsl.executor_main", "slow"))
    monkeypatch.setattr(workers, "environments_of_images", lambda _: {"test": environment})
    store = Store(tmp_path / "store")
    if not first:
        store.compiled.mkdir(parents=True)
    with started(store, {"MLOPS_WARM": "off"}) as hosts:
        assert not imported.exists()
        known = threading.Event()
        if first:
            hosts.get(environment, executes=True).watch(lambda _: known.set())
            assert known.wait(120)
    assert imported.exists() is first
