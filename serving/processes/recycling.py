"""Which worker gives way to a fresh one: TensorFlow keeps some memory of every version that it has loaded."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Recycling:
    """The bounds beyond which a worker is replaced."""

    growth: float = 1.03
    """Resident memory without files over the worker's own at its start; pages that it shares with its parent are in
    both, so that it does not see them become the worker's own."""
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
    first_bytes: int = 0
    loads: int = 0
    bytes: int = 0

    def report(self, loads: int, memory: int) -> None:
        """Note a report; the first one is what later ones are compared with."""
        if not self.first_bytes:
            self.first_loads, self.first_bytes = loads, memory
        self.loads, self.bytes = loads, memory

    def reason_to_replace(self, bounds: Recycling) -> str:
        """Return why the worker should be replaced; "" when it is within its bounds."""
        if (loads := self.loads - self.first_loads) >= bounds.loads:
            return f"it has loaded {loads} more versions"
        if self.bytes > self.first_bytes * bounds.growth:
            return f"its memory grew from {self.first_bytes >> 20} to {self.bytes >> 20} MiB"
        return ""
