"""A worker splits requests when all can, stops as soon as it knows that a canary has ended, and loses no key midway."""

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from core.errors import RegistryError
from serving.metrics import Metrics
from serving.processes.channel import Together
from serving.versions.manager import ModelManager, Watch
from serving.versions.shelf import Published, Verified
from serving.versions.split import CANARY, CHAMPION, PINNED, Keyed, Split

HALF = Split(2, 1, stage=1, start=1, percent=50.0, kind="header", name="x-user", salt=b"salt")
ALL_BUT = replace(HALF, stage=2, percent=99.99)
OF_CANARY = next(key for key in (b"%d" % number for number in range(100)) if HALF.takes(key))
OF_CHAMPION = next(key for key in (b"%d" % number for number in range(100)) if not HALF.takes(key))


class Model:
    def close(self) -> None:
        """Nothing to free."""


class Shelf:
    """A shelf whose champion and canary the test moves."""

    def __init__(self) -> None:
        self.now = Published(1, (1, 2), HALF)
        self.broken: set[int] = set()

    def names(self) -> tuple[str, ...]:
        return ("m",)

    def missing(self) -> str:
        return ""

    def published(self, name: str) -> Published:
        canary = self.now.canary
        return self.now._replace(canary=replace(canary) if canary is not None else None)

    def stamp(self, name: str, version: int) -> int:
        return version

    def verify(self, name: str, version: int) -> Verified:
        if version in self.broken:
            raise RegistryError(f"version {version} is away")
        return Verified(Path(str(version)), None)


class Peers:
    """The other workers, as the test plays them."""

    moment = 0

    def __init__(self, **agreed: int) -> None:
        self.agreed = agreed
        self.proposed: list[tuple[str, int]] = []

    def start(self, on_change: Callable[[Together], None]) -> None:
        self.on_change = on_change
        self.agree(**self.agreed)

    def agree(self, **agreed: int) -> None:
        self.agreed |= {name.replace("_", "/"): number for name, number in agreed.items()}
        self.on_change(Together(self.agreed, is_served=bool(self.agreed)))

    def propose(self, name: str, version: int) -> bool:
        self.proposed.append((name, version))
        return False

    def join(self) -> None:
        """Be one of them."""

    def settled(self, loads: int) -> None:
        """Note nothing."""


class Counting:
    """A trial that notes what it is told."""

    def __init__(self) -> None:
        self.noted: list[str] = []

    deadly = False

    def is_deadly(self) -> bool:
        return self.deadly

    def __getattr__(self, name: str) -> Any:
        return lambda *_, **__: self.noted.append(name)


def made(shelf: Shelf, peers: Peers, trial: Counting | None = None) -> ModelManager:
    watch = Watch(seconds=0.01, others=0, make_trial=(lambda _name, _split: trial) if trial else None)  # type: ignore[arg-type,return-value]
    manager = ModelManager(shelf, lambda _: Model(), Metrics(), watch, peers)  # type: ignore[arg-type,return-value]
    peers.start(manager._change)
    return manager


def asked(manager: ModelManager, key: bytes, version: int | None = None) -> tuple[int, str]:
    split = manager.split("m") if version is None else None
    keyed = Keyed(split.start, key) if split is not None else None
    with manager.lease("m", version, None, keyed) as lease:
        return lease.version, lease.role


def test_a_worker_splits_when_all_do_and_not_before() -> None:
    shelf, peers = Shelf(), Peers()
    manager = made(shelf, peers)
    manager.poll()
    peers.agree(m=1)
    manager.poll()
    assert ("m/canary", 1) in peers.proposed
    assert asked(manager, OF_CANARY) == (1, CHAMPION)
    peers.agree(m_canary=1)
    assert (asked(manager, OF_CANARY), asked(manager, OF_CHAMPION)) == ((2, CANARY), (1, CHAMPION))
    begun = manager.split("m")
    manager.poll()
    assert manager.split("m") is begun, "a share begins once"
    assert asked(manager, OF_CANARY, version=1) == (1, CHAMPION), "who names a version gets it"
    assert asked(manager, OF_CHAMPION, version=2) == (2, PINNED)
    shelf.now = shelf.now._replace(canary=ALL_BUT)
    manager.poll()
    assert asked(manager, OF_CHAMPION) == (1, CHAMPION)
    peers.agree(m_canary=2)
    assert asked(manager, OF_CHAMPION) == (2, CANARY)


def splitting(trial: Counting | None = None) -> tuple[Shelf, Peers, ModelManager]:
    shelf, peers = Shelf(), Peers(m=1)
    manager = made(shelf, peers, trial)
    manager.poll()
    peers.agree(m_canary=1)
    return shelf, peers, manager


def test_an_aborted_canary_is_asked_no_more_whatever_the_others_do() -> None:
    shelf, _, manager = splitting()
    assert asked(manager, OF_CANARY) == (2, CANARY)
    shelf.now = shelf.now._replace(canary=None)
    manager._end_trials()
    assert asked(manager, OF_CANARY) == (1, CHAMPION)
    manager.poll()
    assert [status.version for status in manager.status("m", None, None)] == [1], "it is let go"


def test_a_request_whose_canary_ended_while_it_was_read_gets_the_champion() -> None:
    shelf, peers, manager = splitting()
    old = manager.split("m")
    assert old is not None
    shelf.now = shelf.now._replace(canary=replace(HALF, start=3, stage=3, salt=b"other"))
    manager.poll()
    peers.agree(m_canary=3)
    with manager.lease("m", None, None, Keyed(old.start, OF_CANARY)) as lease:
        assert (lease.version, lease.role) == (1, CHAMPION)


def test_a_promoted_canary_keeps_its_keys_until_it_answers_all() -> None:
    shelf, peers, manager = splitting()
    shelf.now = Published(2, (1, 2))
    manager.poll()
    manager._end_trials()
    assert asked(manager, OF_CANARY) == (2, CANARY)
    assert asked(manager, OF_CHAMPION) == (1, CHAMPION)
    peers.agree(m=2)
    assert asked(manager, OF_CANARY)[0] == asked(manager, OF_CHAMPION)[0] == 2
    manager.poll()
    assert manager.split("m") is None


def test_a_worker_that_cannot_load_the_canary_holds_nobody_up_and_says_so() -> None:
    shelf, peers, trial = Shelf(), Peers(m=1), Counting()
    shelf.broken = {2}
    manager = made(shelf, peers, trial)
    manager.poll()
    assert ("m/canary", 1) in peers.proposed
    assert trial.noted == ["loads", "failed_to_load", "loads"]
    peers.agree(m_canary=1)
    assert asked(manager, OF_CANARY) == (1, CHAMPION)


def test_a_canary_that_ended_other_workers_is_not_loaded_by_another_one() -> None:
    shelf, trial = Shelf(), Counting()
    trial.deadly = True
    manager = made(shelf, Peers(m=1), trial)
    manager.poll()
    assert trial.noted == ["failed_to_load"]
    assert [status.state for status in manager.status("m", 2, None)] == ["END"]


def test_what_counted_a_canary_is_closed_when_it_has_ended() -> None:
    trial = Counting()
    shelf, peers, manager = splitting(trial)
    shelf.now = shelf.now._replace(canary=ALL_BUT)
    manager.poll()
    assert "close" not in trial.noted, "the share before is still in force"
    peers.agree(m_canary=2)
    manager.poll()
    assert trial.noted.count("close") == 1
    shelf.now = shelf.now._replace(canary=None)
    manager.poll()
    assert trial.noted.count("close") == 2


def test_rows_of_several_keys_go_to_the_champion_and_are_counted_apart() -> None:
    trial = Counting()
    _, _, manager = splitting(trial)
    with manager.lease("m", None, None, Keyed(HALF.start, None, is_mixed=True)) as lease:
        assert (lease.version, lease.trial) == (1, None)
    assert trial.noted[-1] == "unsplit"


def test_a_fresh_worker_waits_until_it_splits_as_the_others_do() -> None:
    shelf, peers = Shelf(), Peers(m=1)
    peers.agreed["m/canary"] = 2
    manager = made(shelf, peers)
    started = threading.Thread(target=manager.start)
    started.start()
    started.join(0.3)
    assert started.is_alive(), "the others are a step further"
    shelf.now = shelf.now._replace(canary=ALL_BUT)
    started.join(60)
    assert not started.is_alive()
    assert asked(manager, OF_CHAMPION) == (2, CANARY)
    manager.stop()


def test_a_shadow_is_neither_loaded_nor_asked() -> None:
    shelf, peers = Shelf(), Peers(m=1)
    shelf.now = shelf.now._replace(canary=replace(HALF, percent=0.0))
    manager = made(shelf, peers)
    manager.poll()
    peers.agree(m_canary=1)
    assert manager.split("m") is not None
    assert asked(manager, OF_CANARY) == (1, CHAMPION)
    assert [status.version for status in manager.status("m", None, None)] == [1]
