"""Keeps the process of shadow mode alive while a canary is in it; a shadow that crashes ends nothing else."""

import logging
import os
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from core.backends.canary import Canary
from serving.processes import process

_LOG = logging.getLogger("serving")


@dataclass
class ShadowHost:
    """Belongs to the controller's process, which has no threads and so may fork."""

    run: Callable[[Mapping[str, Canary]], None]
    _wanted: dict[str, Canary] = field(default_factory=dict)
    _running: tuple[int, dict[str, Canary]] | None = None

    def follow(self, name: str, canary: Canary | None) -> None:
        """Note whether a model has a canary in shadow mode."""
        if canary is not None and canary.is_shadow:
            self._wanted[name] = canary
        else:
            self._wanted.pop(name, None)

    def settle(self) -> None:
        """Start, end or replace the process as is wanted now."""
        if self._running is not None:
            pid, known = self._running
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                _LOG.error("the shadow process %d ended with %s", pid, process.ending(status))
                self._running = None
            elif _stages(known) != _stages(self._wanted):
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
                self._running = None
        if self._running is None and self._wanted:
            wanted = dict(self._wanted)
            self._running = (process.fork(lambda: self.run(wanted), signal.SIGKILL), wanted)


def _stages(canaries: Mapping[str, Canary]) -> dict[str, int]:
    return {name: canary.stage for name, canary in canaries.items()}
