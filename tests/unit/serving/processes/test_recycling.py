"""A worker is replaced when it has grown, or has loaded very many versions."""

import mmap
import os
from collections.abc import Callable

import pytest

from serving.processes.memory import Memory, in_use
from serving.processes.recycling import Recycling, Use

MIB = 1 << 20


@pytest.mark.parametrize(
    ("reports", "reason"),
    [
        ([], ""),
        ([(3, 200)], ""),
        ([(3, 200), (4, 209)], ""),
        ([(3, 200), (4, 209), (5, 211)], "its memory grew by 11 MiB, from 200"),
        ([(3, 200), (4, 300), (5, 205)], ""),
        ([(600, 200), (1099, 100)], ""),
        ([(600, 200), (1100, 100)], "it has loaded 500 more versions"),
    ],
)
def test_a_worker_is_replaced_for_a_reason(reports: list[tuple[int, int]], reason: str) -> None:
    use = Use()
    for loads, mebibytes in reports:
        use.report(loads, Memory(mebibytes * MIB, mebibytes * MIB))
    assert use.reason_to_replace(Recycling(growth=1.05, loads=500)) == reason


def test_what_others_share_is_no_growth() -> None:
    use = Use()
    use.report(3, Memory(30 * MIB, 60 * MIB))
    use.report(4, Memory(30 * MIB, 100 * MIB))
    assert use.reason_to_replace(Recycling(growth=1.05)) == "", "another process that shared pages has ended"
    use.report(5, Memory(34 * MIB, 60 * MIB))
    assert use.reason_to_replace(Recycling(growth=1.05)) == "its memory grew by 4 MiB, from 60"


def test_pages_of_the_parent_become_the_childs_own_when_it_writes_to_them() -> None:
    with mmap.mmap(-1, 64 * MIB, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as pages:
        _touch(pages)
        before, untouched, touched = in_use(), _in_child(lambda: None), _in_child(lambda: _touch(pages))
        assert before.own > 64 * MIB
        assert touched.own - untouched.own > 60 * MIB
        assert touched.share - untouched.share > 30 * MIB


def _touch(pages: mmap.mmap) -> None:
    for at in range(0, len(pages), mmap.PAGESIZE):
        pages[at] = 1


def _in_child(work: Callable[[], None]) -> Memory:
    """Return what a forked child holds after some work."""
    ours, theirs = os.pipe()
    pid = os.fork()
    if not pid:
        work()
        os.write(theirs, " ".join(map(str, in_use())).encode())
        os._exit(0)
    os.waitpid(pid, 0)
    os.close(theirs)
    with os.fdopen(ours) as stream:
        return Memory(*map(int, stream.read().split()))
