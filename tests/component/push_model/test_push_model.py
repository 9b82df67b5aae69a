import errno
import json
import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from artifacts.examples.manifest import ExamplesManifest, Shard
from components.push_model.config import Config
from components.push_model.logic import Candidate, Target, push
from core import digest
from core.backends.local_registry import LocalRegistry
from core.decision import Check, Decision, Verdict
from core.errors import GateClosed, MlopsError, RegistryError


def decide(path: Path, gate: str, verdict: Verdict = Verdict.PASS) -> Path:
    Decision.of(
        gate, (Check(rule="auc >= 0.6", threshold=0.6, observed=0.7, verdict=verdict, next_step="Train longer."),)
    ).write(path)
    return path


def model(folder: Path, weights: str) -> Path:
    serving = folder / "Format-Serving"
    (serving / "variables").mkdir(parents=True)
    (serving / "saved_model.pb").write_text("graph")
    (serving / "variables" / "variables.index").write_text(weights)
    return folder


def candidate(folder: Path, weights: str = "new") -> Candidate:
    examples = folder / "examples"
    examples.mkdir(parents=True)
    shard = Shard(name="Split-train/x.gz", split="train", span=3, records=7, sha256="sha256:0")
    ExamplesManifest(
        source="/d/{SPAN}",
        data="sha256:da7a",
        spans=(1, 2, 3),
        wanted_spans=3,
        split_by="time",
        rejected=0,
        shards=(shard,),
    ).write(examples)
    evaluated, served = (
        decide(folder / "evaluated.json", "evaluate_model"),
        decide(folder / "served.json", "validate_infra"),
    )
    return Candidate(model(folder / "model", weights), evaluated, served, examples)


class Place:
    """A registry with a champion, and a candidate that was judged against it."""

    def __init__(self, folder: Path) -> None:
        self.registry = LocalRegistry(folder / "models")
        old = self.registry.publish("m", model(folder / "old", "old") / "Format-Serving", {})
        self.champion = self.registry.promote("m", old.version)
        self.candidate = candidate(folder / "candidate")
        self.pushed = folder / "pushed.json"

    @property
    def target(self) -> Target:
        return Target("m", str(self.registry.root), self.champion.reference, "submission-1")

    def push(self, **config: Any) -> str:
        return push(Config(**config), self.target, self.candidate, self.pushed)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_a_model_that_passed_every_gate_is_published_and_becomes_the_champion(place: Place) -> None:
    reference = place.push()
    champion = place.registry.champion("m")
    assert (champion.reference, champion.version) == (reference, 2)
    assert champion.digest == digest.of_folder(place.candidate.model / "Format-Serving")
    assert json.loads(place.pushed.read_text()) == {
        "name": "m",
        "version": 2,
        "path": str(champion.path),
        "digest": champion.digest,
    }
    about = dict(champion.about)
    assert {gate: said["verdict"] for gate, said in about.pop("decisions").items()} == {
        "evaluate_model": "pass",
        "validate_infra": "pass",
    }
    assert about == {
        "model": "m", "judged_against": place.champion.reference, "submission": "submission-1",
        "spans": [1, 2, 3], "data": "sha256:da7a", "source": "/d/{SPAN}", "records": {"train": 7},
    }  # fmt: skip


def test_a_push_that_is_repeated_changes_nothing(place: Place) -> None:
    first = place.push()
    moves = place.registry.history("m")
    assert place.push() == first
    assert place.registry.history("m") == moves
    assert [version.version for version in place.registry.versions("m")] == [1, 2]


def test_a_release_may_wait_for_a_person(place: Place) -> None:
    place.push(promote=False)
    assert [version.version for version in place.registry.versions("m")] == [1, 2]
    assert place.registry.champion("m") == place.champion


def _remove(path: Path) -> None:
    path.unlink()


def _empty(path: Path) -> None:
    path.write_text("")


def _fail(path: Path) -> None:
    decide(path, json.loads(path.read_text())["gate"], Verdict.FAIL)


def _undecided(path: Path) -> None:
    decide(path, json.loads(path.read_text())["gate"], Verdict.UNDECIDED)


def _no_rule(path: Path) -> None:
    Decision.of(json.loads(path.read_text())["gate"], ()).write(path)


def _other_gate(path: Path) -> None:
    decide(path, "scope_use_case")


def _nan(path: Path) -> None:
    path.write_text(path.read_text().replace("0.7", "NaN"))


@pytest.mark.parametrize("fault", [_remove, _empty, _fail, _undecided, _no_rule, _other_gate, _nan])
@pytest.mark.parametrize("gate", ["evaluated", "served"])
def test_anything_but_an_open_gate_stops_the_push(place: Place, gate: str, fault: Callable[[Path], None]) -> None:
    fault(getattr(place.candidate, gate))
    with pytest.raises(GateClosed, match="evaluate_model" if gate == "evaluated" else "validate_infra") as caught:
        place.push()
    assert caught.value.exit_code == 3
    assert [version.version for version in place.registry.versions("m")] == [1]
    assert not place.pushed.exists()


def test_a_champion_that_moved_while_the_model_was_judged_stops_the_push(place: Place, tmp_path: Path) -> None:
    other = place.registry.publish("m", model(tmp_path / "other", "other") / "Format-Serving", {})
    place.registry.promote("m", other.version)
    with pytest.raises(RegistryError, match="run the pipeline again"):
        place.push()
    assert place.registry.champion("m") == other
    assert len(place.registry.versions("m")) == 2


def test_a_model_that_a_person_rolled_back_is_not_put_back_by_a_pipeline(place: Place) -> None:
    place.push()
    place.registry.rollback("m")
    with pytest.raises(GateClosed, match="rolled back by a person"):
        place.push()
    assert place.registry.champion("m") == place.champion


def test_a_model_folder_without_a_saved_model_is_named(place: Place) -> None:
    shutil.rmtree(place.candidate.model)
    with pytest.raises(RegistryError, match=r"Format-Serving: wanted a SavedModel"):
        place.push()


WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
CHANGES = {"os.mkdir", "os.rename", "os.remove", "os.rmdir", "shutil.copyfile", "fcntl.flock"}
DONE, SAID_NO = 0, 7


def with_fault(action: Callable[[], object], at: int, fault: Callable[[str], None], count: Path) -> int:
    """Run something in a forked child, meet a fault at its nth call that changes the file system, and return how the child ended."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    calls = 0
    fsync = os.fsync

    def call(path: object) -> None:
        nonlocal calls
        calls += 1
        if calls == at:
            fault(str(path))

    def watch(event: str, args: tuple[Any, ...]) -> None:
        if event in CHANGES or (event == "open" and isinstance(args[2], int) and args[2] & WRITES):
            call(args[0])

    def watched_fsync(handle: int) -> None:
        call(handle)
        fsync(handle)

    os.fsync = watched_fsync
    sys.addaudithook(watch)
    ended = 1
    try:
        action()
        ended = DONE
        at = -1
        count.write_text(str(calls))
    except (MlopsError, OSError) as error:
        ended = SAID_NO if os.strerror(errno.ENOSPC) in str(error) else 8
    finally:
        os._exit(ended)


def _kill(path: str) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _disk_full(path: str) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)


@pytest.mark.parametrize(("fault", "ends"), [(_kill, {-signal.SIGKILL}), (_disk_full, {SAID_NO, DONE})])
def test_a_push_that_dies_at_any_call_leaves_a_champion_and_is_repeated_once(
    tmp_path: Path, fault: Callable[[str], None], ends: set[int]
) -> None:
    assert with_fault(Place(tmp_path / "whole").push, -1, fault, tmp_path / "calls") == DONE
    calls = int((tmp_path / "calls").read_text())
    assert calls > 20
    for at in range(1, calls + 1):
        place = Place(tmp_path / str(at))
        registry, old, new = (
            place.registry,
            place.champion.digest,
            digest.of_folder(place.candidate.model / "Format-Serving"),
        )
        assert with_fault(place.push, at, fault, tmp_path / "calls") in ends, at
        champion = registry.champion("m")
        assert champion is not None
        assert champion.digest in {old, new}, at
        reference = place.push()
        assert str(registry.pointer("m")) == reference, at
        assert [version.digest for version in registry.versions("m")] == [old, new], at
        assert [move["digest"] for move in registry.history("m")] == [old, new], at
        assert registry.problems("m") == [], at
