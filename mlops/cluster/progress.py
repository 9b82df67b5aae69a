"""Shows what is being done: a line that changes in place on a terminal, plain lines elsewhere."""

import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Self, TextIO

if TYPE_CHECKING:
    from rich.status import Status

_AGAIN_SECONDS = 15.0


class Progress:
    """Writes to a stream; one that breaks is no reason to fail."""

    def __init__(self, stream: TextIO | None = None, *, quiet: bool = False) -> None:
        self.stream = stream or sys.stderr
        self.quiet = quiet
        self._status: Status | None = None
        self._shown = ("", 0.0)

    def __enter__(self) -> Self:
        if not self.quiet and self.stream.isatty():
            from rich.console import Console  # noqa: PLC0415 - only a terminal needs it

            self._status = Console(file=self.stream).status("")
            self._status.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._status:
            self._status.stop()
            self._status = None

    def say(self, text: str) -> None:
        """Write a line that stays."""
        if self.quiet:
            return
        if self._status:
            self._status.console.print(text, markup=False, highlight=False, soft_wrap=True)
        else:
            with suppress(OSError, ValueError):
                print(text, file=self.stream, flush=True)

    def waiting(self, text: str) -> None:
        """Show what is being waited for; off a terminal only when it changed, and not too often."""
        if self._status:
            self._status.update(_plain(text))
            return
        last, since = self._shown
        now = time.monotonic()
        if text != last and now - since >= (_AGAIN_SECONDS if last else 0):
            self._shown = (text, now)
            self.say(f"      {text}")

    def step(self, text: str) -> None:
        """Say that something new begins; what was being waited for is forgotten."""
        self._shown = ("", 0.0)
        self.say(text)
        if self._status:
            self._status.update(_plain(text))


def _plain(text: str) -> str:
    """Keep brackets from being read as colours."""
    from rich.markup import escape  # noqa: PLC0415

    return escape(text)
