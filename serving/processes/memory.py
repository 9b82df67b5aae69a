"""What a process holds in memory, beside the pages of files: the kernel can drop those, and all programs share them.

And how it gets memory: TensorFlow allocates and frees some hundred pieces for every request.
"""

import ctypes
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple


class Memory(NamedTuple):
    """In bytes; what is swapped out counts too."""

    own: int
    """Pages of this process alone; a page that it shares with its parent becomes its own once it writes to it."""
    share: int
    """Those, and its part of the pages that several processes share."""


NOTHING = Memory(0, 0)
_LARGEST_FAST = 1
"""M_MXFAST of glibc's mallopt."""


def in_use() -> Memory:
    """Return what this process holds now; NOTHING where the kernel does not say."""
    try:
        lines = Path("/proc/self/smaps_rollup").read_text(encoding="ascii").splitlines()[1:]
    except OSError:
        return NOTHING
    sizes = {name: int(size.split()[0]) << 10 for name, _, size in (line.partition(":") for line in lines)}
    swapped = sizes.get("SwapPss", 0)
    return Memory(sizes["Private_Dirty"] + swapped, sizes.get("Pss_Anon", sizes["Private_Dirty"]) + swapped)


def without_fast_bins() -> None:
    """Let malloc join freed pieces at once, where it is glibc's.

    It would keep small ones apart, and join them all whenever a tensor of a kilobyte is allocated: a request takes 1 to
    4% less time without that (measured). Small pieces still come from the thread's own cache.
    """
    with suppress(OSError, AttributeError):  # only glibc has this function
        ctypes.CDLL(None).mallopt(_LARGEST_FAST, 0)
