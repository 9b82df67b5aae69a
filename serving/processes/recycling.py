"""Which worker gives way to a fresh one: TensorFlow keeps some memory of every version that it has loaded."""

from dataclasses import dataclass

from serving.processes.memory import NOTHING, Memory


@dataclass(frozen=True)
class Recycling:
    """The bounds beyond which a worker is replaced."""

    growth: float = 1.10
    """A worker's share of memory over that at its start, where only pages of its own count as growth. The first ten
    loads take 5 MiB in any worker, among them pages of the parent that it writes to; a hundred more take 2."""
    loads: int = 500
    """Versions loaded after the start, whatever the memory is."""
    pause_seconds: float = 5.0
    """Time between the end of one replacement and the start of the next."""
    retry_seconds: float = 60.0
    """Time until another try after a fresh worker has not come to answer."""
    start_seconds: float = 120.0
    """How long a fresh worker may take until it answers; it is ended then, and the one before it stays."""


@dataclass
class Use:
    """What a worker has reported of itself."""

    first_loads: int = 0
    first: Memory = NOTHING
    loads: int = 0
    memory: Memory = NOTHING

    def report(self, loads: int, memory: Memory) -> None:
        """Note a report; the first one is what later ones are compared with."""
        if not self.first.share:
            self.first_loads, self.first = loads, memory
        self.loads, self.memory = loads, memory

    def reason_to_replace(self, bounds: Recycling) -> str:
        """Return why the worker should be replaced; "" when it is within its bounds."""
        if (loads := self.loads - self.first_loads) >= bounds.loads:
            return f"it has loaded {loads} more versions"
        # Its share would grow when another worker ends, and shrink when one is forked.
        grown = self.memory.own - self.first.own
        if grown > self.first.share * (bounds.growth - 1):
            return f"its memory grew by {grown >> 20} MiB, from {self.first.share >> 20}"
        return ""
