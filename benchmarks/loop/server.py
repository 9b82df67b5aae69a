"""Starts `mlops serve` with a prediction log by the replay's clock: `python -m benchmarks.loop.server FILE serve ...`.

The file holds the time of the replay, in microseconds since 1970. Everything else of the server goes by the real clock.
"""

import sys
import time
from pathlib import Path

from mlops.cli.main import main
from serving.prediction_log import log


class ReplayTime:
    """The module `time` with another `time_ns`."""

    def __init__(self, clock: Path) -> None:
        self._clock = clock

    def __getattr__(self, name: str) -> object:
        return getattr(time, name)

    def time_ns(self) -> int:
        """Read the replay's time."""
        return int(self._clock.read_text()) * 1000


if __name__ == "__main__":
    vars(log)["time"] = ReplayTime(Path(sys.argv[1]))
    sys.argv = ["mlops", *sys.argv[2:]]
    main()
