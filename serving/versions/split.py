"""Which requests a canary answers: a function of the request's key alone, in every worker and after a restart."""

import random
from dataclasses import dataclass
from hashlib import blake2b
from typing import NamedTuple, Protocol

from core.backends.canary import Canary
from core.backends.pointer import Pointer

CHAMPION = "champion"
CANARY = "canary"
SHADOW = "shadow"
"""A canary whose answers are compared, and never returned."""
PINNED = "pinned"
"""Another version, which the request itself named."""
_FRACTION_BITS = 53


class Keyed(NamedTuple):
    """The key of a request that is split, as one canary's plan says."""

    start: int
    """The canary's; see `Split`."""
    key: bytes | None
    """None: by chance."""
    is_mixed: bool = False
    """Whether its rows have several keys; the champion answers it then, uncounted."""


class Trial(Protocol):
    """Counts what the champion and the canary do, while a canary runs; may be called from any thread."""

    def began(self, role: str) -> int:
        """Note that one of the two begins to answer; return what `ended` takes."""

    def ended(self, began: int, score: float | None, key: bytes | None, *, failed: bool) -> None:
        """Note how it went; `score` is the number that the first row got, None without one."""

    def unsplit(self) -> None:
        """Note a request of several keys, which the champion answers uncounted."""

    def check(self) -> None:
        """Count requests that take too long as failed; called now and then."""

    def close(self) -> None:
        """Stop counting."""


@dataclass(frozen=True)
class Split:
    """The share of a canary, and the key that requests are split by."""

    version: int
    against: int
    """The champion's version."""
    stage: int
    """Changes with the share."""
    start: int
    """Changes with the canary."""
    percent: float
    """0 is shadow mode: the champion answers all."""
    kind: str
    """`header` or `column`: where the key is."""
    name: str
    salt: bytes
    """Makes another canary choose other keys."""

    @classmethod
    def of(cls, model: str, canary: Canary) -> "Split":
        """Return the split of a running canary."""
        kind, _, name = canary.plan.key.partition(":")
        name = name.lower() if kind == "header" else name
        salt = blake2b(f"{model} {canary.to} {canary.start}".encode(), digest_size=16).digest()
        against = Pointer.parse(canary.against).version
        return cls(canary.to.version, against, canary.stage, canary.start, canary.percent, kind, name, salt)

    def takes(self, key: bytes | None) -> bool:
        """Whether the canary answers a key; at random without one. A higher share keeps the keys of a lower one."""
        return self.place(key) < self.percent / 100 if key is not None else random.random() < self.percent / 100  # noqa: S311 - no secret

    def place(self, key: bytes) -> float:
        """Return a key's place in [0, 1)."""
        hashed = int.from_bytes(blake2b(key, digest_size=8, key=self.salt).digest(), "big")
        return (hashed >> (64 - _FRACTION_BITS)) / (1 << _FRACTION_BITS)
