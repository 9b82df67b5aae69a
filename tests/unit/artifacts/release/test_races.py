"""Promotions that run at the same time or die at any call: an environment runs one release, and its log is whole."""

import contextlib
import errno
import itertools
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from artifacts.release.environment_log import Note
from artifacts.release.promotion import Decided, Offered
from core.errors import GateClosed, MlopsError, RegistryError
from tests.object_store import Calls
from tests.unit.artifacts.release.planted import Shop, junit

CHANGES = frozenset({"os.link", "os.mkdir", "os.remove", "os.rename"})
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
DONE, LOST = 7, 9
NOTE = Note("ada", "a reason")


def _in_child(action: Callable[[], object]) -> int:
    """Start a process that ends with DONE, or LOST where the action refuses; return its id."""
    child = os.fork()
    if child:
        return child
    ended = 1
    try:
        action()
        ended = DONE
    except RegistryError:
        ended = LOST
    finally:
        os._exit(ended)


def _ended(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_of_promotions_that_were_decided_at_the_same_state_one_wins(shop: Shop) -> None:
    shop.promoted(shop.add("zero"), "dev")
    releases = [shop.add(weights) for weights in ("one", "two", "three", "four")]
    decided = [shop.promoter.decide(release_id, "dev") for release_id in releases]

    def promote(one: Decided) -> None:
        shop.promoter.promote(one, NOTE)

    children = [_in_child(lambda one=one: promote(one)) for one in decided]  # type: ignore[misc]
    assert sorted(map(_ended, children)) == [DONE, LOST, LOST, LOST]
    history = shop.releases.log("dev", "m").history()
    assert len(history) == 2
    assert history[1].release in releases
    with pytest.raises(RegistryError, match=r"moved it to .* meanwhile"):
        shop.promoter.promote(next(one for one in decided if one.release_id != history[1].release), NOTE)


def test_equal_promotions_at_the_same_time_are_one(shop: Shop) -> None:
    decided = shop.promoter.decide(shop.add(), "dev")
    children = [_in_child(lambda: shop.promoter.promote(decided, NOTE)) for _ in range(4)]
    assert set(map(_ended, children)) == {DONE}
    assert len(shop.releases.log("dev", "m").history()) == 1


def test_a_rollback_and_a_promotion_at_the_same_time_do_not_both_win(shop: Shop) -> None:
    first, second, third = shop.add("one"), shop.add("two"), shop.add("three")
    shop.promoted(first, "dev")
    shop.promoted(second, "dev")
    decided = shop.promoter.decide(third, "dev")
    shop.promoter.roll_back("m", "dev", NOTE)
    with pytest.raises(RegistryError, match="meanwhile"):
        shop.promoter.promote(decided, NOTE)
    assert shop.runs("dev") == first


def _killed(action: Callable[[], object], at: int, count: Path) -> int:
    """Run something in a child that is killed at its nth call that changes files; return how it ended."""
    child = os.fork()
    if child:
        return _ended(child)
    calls = 0
    fsync = os.fsync

    def call() -> None:
        nonlocal calls
        calls += 1
        if calls == at:
            os.kill(os.getpid(), signal.SIGKILL)

    def watch(event: str, args: tuple[Any, ...]) -> None:
        if event in CHANGES or (event == "open" and isinstance(args[2], int) and args[2] & WRITES):
            call()

    def watched_fsync(handle: int) -> None:
        call()
        fsync(handle)

    os.fsync = watched_fsync
    sys.addaudithook(watch)
    ended = 1
    try:
        action()
        ended = DONE
        at = -1
        count.write_text(str(calls))
    finally:
        os._exit(ended)


class Attempt:
    """A store in which the environment ran one release, or two, and one thing to do there."""

    def __init__(self, folder: Path, verb: str) -> None:
        folder.mkdir()
        self.shop = Shop(str(folder / "store"), folder)
        self.first, self.second = self.shop.add("one"), self.shop.add("two")
        self.shop.promoted(self.first, "dev")
        if verb != "promote":
            self.shop.promoted(self.second, "dev")
        self._given = Offered(evidence=(junit(folder / "given.xml"),))
        self.act: Callable[[], Any] = getattr(self, verb)

    def create(self) -> str:
        return self.shop.add("one", origin="other")

    def promote(self) -> None:
        self.shop.promoter.promote(self.shop.promoter.decide(self.second, "dev", self._given), NOTE)

    def rollback(self) -> None:
        if self.shop.runs("dev") != self.first:
            self.shop.promoter.roll_back("m", "dev", NOTE, self.first)


@pytest.mark.parametrize("verb", ["create", "promote", "rollback"])
def test_what_is_killed_at_any_call_leaves_the_old_state_or_the_new_and_is_repeated(tmp_path: Path, verb: str) -> None:
    assert _killed(Attempt(tmp_path / "whole", verb).act, 0, tmp_path / "calls") == DONE
    calls = int((tmp_path / "calls").read_text())
    assert calls > 5
    for at in range(1, calls + 1):
        attempt = Attempt(tmp_path / str(at), verb)
        shop, before = attempt.shop, attempt.shop.files()
        assert _killed(attempt.act, at, tmp_path / "calls") == -signal.SIGKILL, at
        assert shop.runs("dev") in {attempt.first, attempt.second}
        assert before.items() <= shop.files().items(), at
        attempt.act()
        if verb == "create":
            assert shop.promoter.verify(attempt.create()).is_open
        wanted = [attempt.first, attempt.second, *([attempt.first] if verb == "rollback" else [])]
        assert [move.release for move in shop.releases.log("dev", "m").history()] == wanted, at


@pytest.mark.parametrize("answered", [False, True])
def test_an_object_store_that_fails_at_the_write_leaves_a_state_that_can_be_repeated(
    bucket: str, tmp_path: Path, answered: bool
) -> None:
    shop = Shop(bucket, tmp_path)
    release_id = shop.add(model=None)
    decided = shop.promoter.decide(release_id, "dev")
    with Calls().watching() as counted:
        shop.promoter.promote(decided, NOTE)
    write = counted.names.index("put_object") + 1

    def fault(method: str) -> None:
        raise OSError(errno.ECONNRESET, f"reset at {method}")

    again = Shop(f"{bucket}-again", tmp_path)
    assert again.add(model=None) == release_id
    decided = again.promoter.decide(release_id, "dev")
    with Calls(fault, write, answered=answered).watching() as calls, contextlib.suppress(MlopsError):
        again.promoter.promote(decided, NOTE)
    assert calls.names[write - 1] == "put_object"
    assert again.runs("dev") in {None, release_id}
    again.promoted(release_id, "dev")
    assert [move.release for move in again.releases.log("dev", "m").history()] == [release_id]


NAMES = ("dev", "staging", "prod")
STEP = st.tuples(st.sampled_from(("promote", "rollback")), st.integers(0, 2), st.sampled_from(NAMES))


@settings(max_examples=12)
@given(steps=st.lists(STEP, min_size=3, max_size=12))
def test_no_order_of_promotions_and_rollbacks_changes_a_byte(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int, str]]
) -> None:
    folder = tmp_path_factory.mktemp("shop")
    shop = Shop(str(folder / "store"), folder)
    releases = [shop.add(weights) for weights in ("one", "two", "three")]
    before = shop.files()
    for verb, number, environment in steps:
        state = shop.runs(environment)
        try:
            if verb == "promote":
                shop.promoted(releases[number], environment)
                assert shop.runs(environment) == releases[number]
            else:
                assert shop.promoter.roll_back("m", environment, NOTE).release == shop.runs(environment) != state
        except (GateClosed, RegistryError):
            assert shop.runs(environment) == state
        assert shop.files() == before
    for environment in NAMES:
        history = shop.releases.log(environment, "m").history()
        assert [move.before for move in history[1:]] == [move.release for move in history[:-1]]
    for earlier, later in itertools.pairwise(NAMES):
        assert _ran(shop, later) <= _ran(shop, earlier), "no environment is skipped"


def _ran(shop: Shop, environment: str) -> set[str]:
    return {move.release for move in shop.releases.log(environment, "m").history()}
