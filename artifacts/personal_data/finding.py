"""What was found: the kind, the place and how often, never the text itself."""

from typing import NamedTuple


class Finding(NamedTuple):
    """One kind of personal data in one place."""

    detector: str
    place: str
    """An artifact and a file in it, or a feature of the examples."""
    times: int
    """Rows of a feature; matches in a file."""
