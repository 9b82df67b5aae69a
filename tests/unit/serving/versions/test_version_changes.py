"""One worker of several changes its version when all can, and answers as the others do from its first request on."""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core.errors import RegistryError
from serving.errors import RequestError
from serving.metrics import Metrics
from serving.processes.channel import Together
from serving.versions.loaded import FailedVersion
from serving.versions.manager import ModelManager, Watch
from serving.versions.retry import Retry
from serving.versions.shelf import Published, Verified


class Model:
    def close(self) -> None:
        """Nothing to free."""


class MovingShelf:
    """A shelf whose champion the test moves, and of which it breaks versions without a change of their folders."""

    def __init__(self, champion: int = 1) -> None:
        self.champion = champion
        self.broken: set[int] = set()
        self.tried: list[int] = []

    def names(self) -> tuple[str, ...]:
        return ("m",)

    def missing(self) -> str:
        return ""

    def published(self, name: str) -> Published:
        return Published(self.champion, (1, 2, 3))

    def stamp(self, name: str, version: int) -> int:
        return version

    def verify(self, name: str, version: int) -> Verified:
        self.tried.append(version)
        if version in self.broken:
            raise RegistryError(f"version {version} is away")
        return Verified(Path(str(version)), None)


class Peers:
    """The other workers, as the test plays them."""

    def __init__(self, agreed: int | None = None) -> None:
        self.agreed = agreed
        self.proposed: list[int] = []
        self.joined = threading.Event()
        self.proposes = threading.Event()
        self.loads: list[int] = []
        self.moment = 0

    def start(self, on_change: Callable[[Together], None]) -> None:
        self.on_change = on_change
        self.agree(self.agreed)

    def agree(self, version: int | None) -> None:
        agreed = {} if version is None else {"m": version}
        self.on_change(Together(agreed, is_served=version is not None, moment=self.moment))

    def propose(self, name: str, version: int) -> bool:
        self.proposed.append(version)
        self.proposes.set()
        return False

    def join(self) -> None:
        self.joined.set()

    def settled(self, loads: int) -> None:
        self.loads.append(loads)


def made(shelf: MovingShelf, peers: Peers | None = None, **watch: Any) -> ModelManager:
    watched = Watch(**{"seconds": 0.01, "others": 0, **watch})
    return ModelManager(shelf, lambda _: Model(), Metrics(), watched, peers)  # type: ignore[arg-type,return-value]


def answering(manager: ModelManager) -> int:
    with manager.lease("m", None, None) as lease:
        return lease.version


def test_a_worker_answers_with_another_version_when_all_do_and_not_before() -> None:
    shelf, peers = MovingShelf(), Peers()
    manager = made(shelf, peers)
    peers.start(manager._change)
    manager.poll()
    with pytest.raises(RequestError, match="no version is in production yet"):
        answering(manager)
    peers.agree(1)
    assert answering(manager) == 1
    for version, before in ((2, 1), (1, 2)):
        shelf.champion = version
        manager.poll()
        manager.poll()
        assert answering(manager) == before
        assert [status.version for status in manager.status("m", None, None)] == [2, 1], "both are loaded"
        assert not manager.troubles(), "to wait for the others is no failure"
        peers.agree(version)
        assert answering(manager) == version
    assert peers.proposed == [1, 2, 1], "each once"
    manager.poll()
    assert [status.version for status in manager.status("m", None, None)] == [1], "the old one is let go afterwards"
    assert peers.loads[-1] == 2, "both were loaded once"


def test_a_request_after_the_moment_of_a_change_waits_for_the_report_of_it() -> None:
    shelf, peers = MovingShelf(), Peers(agreed=1)
    manager = made(shelf, peers)
    peers.start(manager._change)
    manager.poll()
    shelf.champion = 2
    manager.poll()
    assert answering(manager) == 1
    peers.moment += 1
    report = threading.Timer(0.05, peers.agree, (2,))
    report.start()
    assert answering(manager) == 2, "another worker may have answered with version 2 already"
    report.join()


def test_a_champion_that_moves_on_before_the_change_is_no_longer_proposed() -> None:
    shelf, peers = MovingShelf(), Peers(agreed=1)
    manager = made(shelf, peers)
    peers.start(manager._change)
    manager.poll()
    shelf.champion = 2
    manager.poll()
    shelf.champion = 1
    manager.poll()
    shelf.champion, shelf.broken = 3, {3}
    manager.poll()
    assert peers.proposed == [1, 2, 1]
    assert answering(manager) == 1


def test_a_fresh_worker_takes_requests_once_it_answers_as_the_others_do() -> None:
    shelf, peers = MovingShelf(champion=2), Peers(agreed=1)
    shelf.broken = {1, 2}
    manager = made(shelf, peers, retry=Retry(0.01, 0.01))
    started = threading.Thread(target=manager.start)
    started.start()
    assert peers.joined.wait(10)
    shelf.broken = {1}
    assert peers.proposes.wait(10)
    assert peers.proposed == [2]
    assert started.is_alive(), "the others answer with version 1"
    peers.agree(2)
    started.join(10)
    assert answering(manager) == 2
    manager.stop()


def test_a_fresh_worker_answers_as_the_others_do_while_nobody_can_load_the_champion() -> None:
    shelf = MovingShelf(champion=3)
    shelf.broken = {3}
    manager = made(shelf, Peers(agreed=1))
    manager.start()
    assert answering(manager) == 1
    assert manager.waiting_for() == ""
    assert manager.troubles() == {
        "m": "version 3 is in production but cannot be loaded, version 1 answers: version 3 is away"
    }
    manager.stop()


def test_a_fresh_worker_that_is_stopped_does_not_wait_for_the_others() -> None:
    shelf = MovingShelf()
    shelf.broken = {1}
    manager = made(shelf, Peers(agreed=1))
    started = threading.Thread(target=manager.start)
    started.start()
    manager.stop_waiting()
    started.join(10)
    assert not started.is_alive()
    manager.stop()


def test_a_version_whose_folder_was_away_for_a_moment_is_loaded_soon() -> None:
    shelf = MovingShelf(champion=2)
    shelf.broken = {2}
    manager = made(shelf, others=1, retry=Retry(first_seconds=0.05))
    manager.poll()
    assert manager.waiting_for().startswith("m: version 2 is in production but cannot be loaded, nothing answers")
    shelf.broken = set()
    while not manager._models["m"].champion:
        manager.poll()
        time.sleep(0.01)
    assert shelf.tried.count(2) == 2


def test_a_failed_version_is_tried_again_soon_then_seldom_and_at_once_when_its_folder_changes() -> None:
    retry = Retry(first_seconds=1.0, longest_seconds=60.0)
    assert [retry.pause(failures) for failures in (1, 2, 3, 6, 7, 8, 10_000)] == [1, 2, 4, 32, 60, 60, 60]
    failed = FailedVersion("stamp", 100.0, "why", failures=2)
    assert not failed.is_due("stamp", 101.9, retry)
    assert failed.is_due("stamp", 102.0, retry)
    assert failed.is_due("another", 100.1, retry)
