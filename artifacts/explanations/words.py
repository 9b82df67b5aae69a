"""The words of a text as players: a coalition's text has some of them, in their order."""

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

# Scripts that are written without spaces are taken character by character.
_DENSE = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_WORD = re.compile(rf"(?:[{_DENSE}]|[^\s{_DENSE}]+)\s*")


class Words:
    """One text in pieces of whole words, each with the space after it; together they are the text, byte for byte."""

    def __init__(self, text: bytes, most: int) -> None:
        """Cut a text; neighbouring words share a piece where there are more than `most`."""
        readable = text.decode("utf-8", "surrogateescape")
        found = _WORD.findall(readable)
        self._lead = readable[: len(readable) - sum(map(len, found))]
        each = -(-len(found) // most) if found else 1
        self.pieces: tuple[str, ...] = tuple(
            "".join(found[start : start + each]) for start in range(0, len(found), each)
        )

    @property
    def names(self) -> tuple[str, ...]:
        """The pieces as people read them."""
        return tuple(
            piece.strip().encode("utf-8", "surrogateescape").decode("utf-8", "replace") for piece in self.pieces
        )

    def without(self, mask: NDArray[np.bool_]) -> NDArray[np.object_]:
        """Return a text for each coalition, [points, pieces] -> [points] of bytes."""
        texts = np.empty(len(mask), object)
        texts[:] = [self._text(row) for row in mask.tolist()]
        return texts

    def _text(self, kept: Sequence[bool]) -> bytes:
        text = self._lead + "".join(piece for piece, keeps in zip(self.pieces, kept, strict=True) if keeps)
        return text.encode("utf-8", "surrogateescape")
