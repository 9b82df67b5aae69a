"""What a process holds in memory, beside the pages of files: the kernel can drop those, and all programs share them."""

from pathlib import Path
from typing import NamedTuple


class Memory(NamedTuple):
    """In bytes; what is swapped out counts too."""

    own: int
    """Pages of this process alone; a page that it shares with its parent becomes its own once it writes to it."""
    share: int
    """Those, and its part of the pages that several processes share."""


NOTHING = Memory(0, 0)


def in_use() -> Memory:
    """Return what this process holds now; NOTHING where the kernel does not say."""
    try:
        lines = Path("/proc/self/smaps_rollup").read_text(encoding="ascii").splitlines()[1:]
    except OSError:
        return NOTHING
    sizes = {name: int(size.split()[0]) << 10 for name, _, size in (line.partition(":") for line in lines)}
    swapped = sizes.get("SwapPss", 0)
    return Memory(sizes["Private_Dirty"] + swapped, sizes.get("Pss_Anon", sizes["Private_Dirty"]) + swapped)
