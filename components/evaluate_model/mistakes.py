"""The rows with the candidate's worst predictions, for display."""

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
"""Bytes of the largest image that is embedded in the report."""
_MEDIA = {b"\x89PNG": "image/png", b"\xff\xd8\xff": "image/jpeg", b"GIF8": "image/gif", b"BM": "image/bmp"}


@dataclass(frozen=True)
class Mistake:
    """One row: its raw features, its label and the model's prediction as text."""

    features: dict[str, Any]
    label: str
    prediction: str


@dataclass
class Mistakes:
    """Keeps the SHOWN worst rows of all batches."""

    _kept: list[tuple[float, int, Mistake]] = field(default_factory=list)
    _order: Any = field(default_factory=count)

    def worst_of(self, errors: Values) -> list[int]:
        """Return the indices of the rows of a batch that may be among the worst; `errors` is [rows]."""
        least = self._kept[0][0] if len(self._kept) == SHOWN else -np.inf
        worst = np.argsort(-errors, kind="stable")[:SHOWN]
        return [int(row) for row in worst if np.isfinite(errors[row]) and errors[row] > least]

    def add(self, error: float, mistake: Mistake) -> None:
        """Keep a row while there are fewer than SHOWN worse ones."""
        entry = (error, -next(self._order), mistake)
        if len(self._kept) < SHOWN:
            heapq.heappush(self._kept, entry)
        else:
            heapq.heappushpop(self._kept, entry)

    def worst(self) -> tuple[Mistake, ...]:
        """Return the rows, the worst first."""
        return tuple(mistake for _, mistake in self.with_errors())

    def with_errors(self) -> tuple[tuple[float, Mistake], ...]:
        """Return the rows with their errors, the worst first, and of equal ones the first added first."""
        ordered = sorted(self._kept, key=lambda entry: entry[:2], reverse=True)
        return tuple((error, mistake) for error, _, mistake in ordered)


def features_of(batch: pa.RecordBatch, row: int, excluded: set[str]) -> dict[str, Any]:
    """Return a row's raw features by name, as lists of values, without the excluded ones."""
    names = [name for name in batch.schema.names if name not in excluded]
    return {name: batch.column(batch.schema.get_field_index(name))[row].as_py() or [] for name in names}


def draw(mistakes: tuple[Mistake, ...]) -> Markup:
    """Draw the rows as a table with FEATURES_SHOWN features, images and texts first."""
    names = sorted(mistakes[0].features, key=lambda name: _rank(mistakes[0].features[name]))[:FEATURES_SHOWN]
    rows: list[list[str | float | None]] = []
    for mistake in mistakes:
        cells = [_cell(mistake.features.get(name) or []) for name in names]
        rows.append([mistake.label, mistake.prediction, *cells])
    title = Markup(f"<p>{pictures.muted('the worst predictions of the candidate, worst first:')}</p>")
    return Markup(title + pictures.table(["label", "prediction", *names], rows))


def _rank(values: list[Any]) -> int:
    """Order features for display: images, long texts, short texts, numbers."""
    if not values or not isinstance(values[0], bytes):
        return 3
    if _media(values[0]):
        return 0
    return 1 if len(values[0]) > 30 else 2


def _cell(values: list[Any]) -> str | float | None:
    if not values:
        return None
    if isinstance(values[0], bytes):
        media = _media(values[0])
        if media and len(values[0]) <= LARGEST_PICTURE:
            data = base64.b64encode(values[0]).decode()
            style = "height:64px;image-rendering:pixelated"
            return Markup(f'<img alt="the image of this row" style="{style}" src="data:{media};base64,{data}">')
        text = b", ".join(values).decode("utf-8", "replace")
        readable = f"{len(values[0]):,} bytes" if media or "\ufffd" in text else " ".join(text.split())
        return readable if len(readable) <= TEXT_SHOWN else f"{readable[: TEXT_SHOWN - 1]}…"
    if len(values) == 1:
        return values[0] if np.isfinite(values[0]) else None
    return f"{', '.join(f'{value:.4g}' for value in values[:8])}{', …' if len(values) > 8 else ''}"


def _media(value: bytes) -> str:
    return next((media for start, media in _MEDIA.items() if value.startswith(start)), "")
