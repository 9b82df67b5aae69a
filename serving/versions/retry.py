"""When something that failed is tried again."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Retry:
    """Soon at first, and less and less often while it goes on to fail."""

    first_seconds: float = 1.0
    longest_seconds: float = 60.0

    def pause(self, failures: int) -> float:
        """Return the seconds until the next try after so many failures in a row; each is twice the one before."""
        return min(self.longest_seconds, self.first_seconds * 2.0 ** min(failures - 1, 32))
