"""The rows that the candidate is most wrong about, as a person would look at them."""

import base64
import heapq
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import pyarrow_hotfix  # noqa: F401
import numpy as np
import pyarrow as pa

from artifacts.evaluation.columns import Values
from core import pictures
from core.pictures import Markup

SHOWN = 12
FEATURES_SHOWN = 6
TEXT_SHOWN = 160
LARGEST_PICTURE = 64 << 10
"""Bytes of a picture that is put into the report as it is."""
_MEDIA = {b"\x89PNG": "image/png", b"\xff\xd8\xff": "image/jpeg", b"GIF8": "image/gif", b"BM": "image/bmp"}


@dataclass(frozen=True)
class Mistake:
    """One row: its raw features, its label and the model's answer in words."""

    features: dict[str, Any]
    label: str
    answer: str


@dataclass
class Mistakes:
    """Keeps the worst rows of all batches."""

    _kept: list[tuple[float, int, Mistake]] = field(default_factory=list)
    _ticket: Any = field(default_factory=count)

    def wants(self, wrongness: Values) -> list[int]:
        """Return the rows of a batch that may be among the worst, [row]."""
        least = self._kept[0][0] if len(self._kept) == SHOWN else -np.inf
        worst = np.argsort(-wrongness, kind="stable")[:SHOWN]
        return [int(row) for row in worst if np.isfinite(wrongness[row]) and wrongness[row] > least]

    def add(self, wrongness: float, mistake: Mistake) -> None:
        """Keep a row while there are fewer than SHOWN worse ones."""
        entry = (wrongness, -next(self._ticket), mistake)
        (heapq.heappush if len(self._kept) < SHOWN else heapq.heappushpop)(self._kept, entry)

    def worst(self) -> tuple[Mistake, ...]:
        """Return the rows, the worst first."""
        return tuple(mistake for _, _, mistake in sorted(self._kept, key=lambda entry: entry[:2], reverse=True))


def features_of(batch: pa.RecordBatch, row: int, unseen: set[str]) -> dict[str, Any]:
    """Return a row's raw features, as lists of values."""
    names = [name for name in batch.schema.names if name not in unseen]
    return {name: batch.column(batch.schema.get_field_index(name))[row].as_py() or [] for name in names}


def draw(mistakes: tuple[Mistake, ...]) -> Markup:
    """Lay the rows out: pictures and texts first, as far as a table can hold."""
    names = sorted(mistakes[0].features, key=lambda name: _rank(mistakes[0].features[name]))[:FEATURES_SHOWN]
    rows: list[list[str | float | None]] = [
        [one.label, one.answer, *(_cell(one.features.get(name) or []) for name in names)] for one in mistakes
    ]
    title = Markup(f"<p>{pictures.muted('the rows that the candidate is most wrong about, worst first:')}</p>")
    return Markup(title + pictures.table(["label", "answer", *names], rows))


def _rank(values: list[Any]) -> int:
    if values and isinstance(values[0], bytes):
        return 0 if _media(values[0]) else 1 if len(values[0]) > 30 else 2
    return 3


def _cell(values: list[Any]) -> str | float | None:
    if not values:
        return None
    if isinstance(values[0], bytes):
        media = _media(values[0])
        if media and len(values[0]) <= LARGEST_PICTURE:
            data = base64.b64encode(values[0]).decode()
            style = "height:64px;image-rendering:pixelated"
            return Markup(f'<img alt="the picture of this row" style="{style}" src="data:{media};base64,{data}">')
        text = b", ".join(values).decode("utf-8", "replace")
        readable = f"{len(values[0]):,} bytes" if media or "\ufffd" in text else " ".join(text.split())
        return readable if len(readable) <= TEXT_SHOWN else f"{readable[: TEXT_SHOWN - 1]}…"
    if len(values) == 1:
        return values[0] if np.isfinite(values[0]) else None
    return f"{', '.join(f'{value:.4g}' for value in values[:8])}{', …' if len(values) > 8 else ''}"


def _media(value: bytes) -> str:
    return next((media for start, media in _MEDIA.items() if value.startswith(start)), "")
