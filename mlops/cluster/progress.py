"""Shows progress: a status line that is updated on a terminal, plain lines elsewhere."""

import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Self, TextIO

if TYPE_CHECKING:
    from rich.status import Status

_AGAIN_SECONDS = 15.0


class Progress:
    """Writes progress to a stream; errors of the stream are ignored."""

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

    def log(self, text: str) -> None:
        """Print a line."""
        if self.quiet:
            return
        if self._status:
            self._status.console.print(text, markup=False, highlight=False, soft_wrap=True)
        else:
            with suppress(OSError, ValueError):
                print(text, file=self.stream, flush=True)

    def waiting(self, text: str) -> None:
        """Show what is waited for; outside a terminal only when it changed, and at most every 15 seconds."""
        if self._status:
            self._status.update(_plain(text))
            return
        last, since = self._shown
        now = time.monotonic()
        if text != last and now - since >= (_AGAIN_SECONDS if last else 0):
            self._shown = (text, now)
            self.log(f"      {text}")

    def step(self, text: str) -> None:
        """Print the start of a step, and forget what was waited for."""
        self._shown = ("", 0.0)
        self.log(text)
        if self._status:
            self._status.update(_plain(text))


def _plain(text: str) -> str:
    """Escape brackets, which rich would read as markup."""
    from rich.markup import escape  # noqa: PLC0415

    return escape(text)
