"""The other workers of a server, with which a worker changes its versions at one moment."""

from collections.abc import Callable
from typing import Protocol

from serving.processes.channel import Together


class Peers(Protocol):
    """What the model manager needs of the other workers."""

    @property
    def moment(self) -> int:
        """The number of the last change that all workers made; its report may be still on its way here."""

    def start(self, on_change: Callable[[Together], None]) -> None:
        """Report what is agreed on now, and from then on, in a thread, every change of it."""

    def propose(self, name: str, version: int) -> bool:
        """Say that this worker could answer with a version; True when it shall do so at once."""

    def join(self) -> None:
        """Take part in changes from now on: the others wait for this worker."""

    def settled(self, loads: int) -> None:
        """Say how many versions this worker has loaded, after it has let go of the ones that it no longer needs."""


class Alone:
    """No other worker."""

    moment = 0

    def start(self, on_change: Callable[[Together], None]) -> None:
        """Report nothing."""

    def propose(self, name: str, version: int) -> bool:  # noqa: ARG002 - the protocol's signature
        """Agree."""
        return True

    def join(self) -> None:
        """Join nobody."""

    def settled(self, loads: int) -> None:
        """Tell nobody."""
