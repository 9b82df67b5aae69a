"""Damages one file after the other, reads it as the product does, and puts it back."""

import random
import traceback
from collections import Counter
from pathlib import Path

from tests.sweeps.flips.kind import Kind, found
from tests.sweeps.flips.kinds import KINDS
from tests.sweeps.sweep import Sweep

_CUTS = 0.2
"""The share of damages that cut a file; the others flip a bit."""


def run(sweep: Sweep) -> None:
    """Damage `count` times, each kind equally often."""
    names = list(dict.fromkeys(sweep.options.get("kind") or KINDS))
    chance = sweep.chance()
    totals: Counter[str] = Counter()
    for place, name in enumerate(names):
        kind = KINDS[name](sweep.folder / name, sweep)
        share = sweep.count // len(names) + (place < sweep.count % len(names))
        seen = _damaged(sweep, name, kind, chance, share)
        totals += seen
        sweep.count_of(f"{name}: damages in {len(kind.files)} files", seen["all"])
        sweep.exactly(f"{name}: not found, or the file not named", seen["silent"] + seen["unnamed"] + seen["broke"], 0)
        if kind.unused_bytes:
            sweep.count_of(f"{name}: in bytes that nobody reads", seen["harmless"])
    sweep.count_of("damages", totals["all"])
    sweep.exactly("damages that were read as if nothing were", totals["silent"], 0)
    sweep.exactly("damages whose error does not name the file", totals["unnamed"] + totals["broke"], 0)


def _damaged(sweep: Sweep, name: str, kind: Kind, chance: random.Random, count: int) -> Counter[str]:
    intact = kind.read(kind.files[0])
    seen: Counter[str] = Counter()
    for number in range(count):
        if sweep.is_over:
            break
        path = chance.choice(kind.files)
        content = path.read_bytes()
        at = chance.randrange(len(content) * 8)
        is_cut = chance.random() < _CUTS
        path.write_bytes(content[: at // 8] if is_cut else _flipped(content, at))
        try:
            how, why = _seen(kind, path, intact)
        finally:
            kind.clean_up()
            path.write_bytes(content)
        seen[how] += 1
        seen["all"] += 1
        if how not in {"found", "harmless"}:
            what = f"cut to {at // 8} bytes" if is_cut else f"bit {at} flipped"
            sweep.wrong(f"{name}: {path}: {what}: {how}: {why}")
        sweep.progress(number + 1, count, name)
    assert kind.read(kind.files[0]) == intact, "a damage was not put back"
    return seen


def _flipped(content: bytes, bit: int) -> bytes:
    changed = bytearray(content)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def _seen(kind: Kind, path: Path, intact: object) -> tuple[str, str]:
    """Return how a damage was seen, with the error."""
    try:
        error = found(kind, path)
    except Exception:
        return "broke", traceback.format_exc()
    if error:
        return ("found" if kind.names(path) in error else "unnamed"), error
    is_same = kind.unused_bytes and kind.read(path) == intact
    return ("harmless" if is_same else "silent"), ""
