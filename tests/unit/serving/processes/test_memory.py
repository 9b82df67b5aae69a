"""How a process that serves gets memory."""

import ctypes
import multiprocessing
from concurrent.futures import ProcessPoolExecutor

import pytest

from serving.processes.memory import without_fast_bins

PIECES, SIZE = 1000, 48


class _Mallinfo2(ctypes.Structure):
    """What glibc says of its memory."""

    _fields_ = [
        (name, ctypes.c_size_t)
        for name in (
            "arena",
            "ordblks",
            "smblks",
            "hblks",
            "hblkhd",
            "usmblks",
            "fsmblks",
            "uordblks",
            "fordblks",
            "top",
        )
    ]


def _kept_apart() -> tuple[int, int]:
    """Return the freed bytes that malloc does not join, as it begins and without its fast bins."""
    libc = ctypes.CDLL(None)
    libc.malloc.restype, libc.free.argtypes, libc.mallinfo2.restype = ctypes.c_void_p, [ctypes.c_void_p], _Mallinfo2

    def freed() -> int:
        pieces = [libc.malloc(SIZE) for _ in range(PIECES)]
        for piece in pieces:
            libc.free(piece)
        return int(libc.mallinfo2().fsmblks)

    before = freed()
    without_fast_bins()
    return before, freed()


def test_freed_pieces_are_joined_at_once() -> None:
    if not hasattr(ctypes.CDLL(None), "mallinfo2"):
        pytest.skip("this malloc is not glibc's, or is older than 2.33")
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as child:
        before, after = child.submit(_kept_apart).result()
    assert before > PIECES * SIZE // 2
    assert after == 0
