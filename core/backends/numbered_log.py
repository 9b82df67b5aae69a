"""An append-only log of numbered states; one writer alone creates the next number: a compare-and-swap.

`<place>/<folder>/<number>.json`, 20 digits each; the highest number is the current state.
"""

import re

from core.backends.places import Place

_NUMBERED = re.compile(r"([0-9]{20})\.json", re.ASCII)


class NumberedLog:
    """The states below one folder; nothing is ever overwritten or removed."""

    def __init__(self, place: Place, folder: str) -> None:
        self._place = place
        self._folder = folder

    def address(self, number: int) -> str:
        """Return the address of a state, for messages."""
        return f"{self._place.address}/{self._name(number)}"

    def numbers(self) -> list[int]:
        """Return the numbers of the states in order."""
        matches = map(_NUMBERED.fullmatch, self._place.names(self._folder))
        return sorted(int(match[1]) for match in matches if match)

    def latest(self) -> tuple[int, bytes]:
        """Return the number and content of the current state; 0 and nothing when there is none."""
        number = max(self.numbers(), default=0)
        return (number, self.read(number)) if number else (0, b"")

    def read(self, number: int) -> bytes:
        """Return the content of a state; NoSuchObject when there is none."""
        return self._place.read(self._name(number))

    def append(self, after: int, content: bytes) -> bool:
        """Add the state that follows number `after`; False when another writer added one.

        The content must differ from what any other writer would add, for example by a nonce.
        """
        return self._place.create(self._name(after + 1), content)

    def _name(self, number: int) -> str:
        return f"{self._folder}/{number:020d}.json"
