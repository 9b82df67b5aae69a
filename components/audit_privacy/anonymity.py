"""k-anonymity and uniqueness: how many rows share each combination of the quasi-identifiers."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import pyarrow_hotfix  # noqa: F401
import numpy as np
import pyarrow as pa

from artifacts.evaluation.columns import Vocabulary, categories
from core.errors import ConfigError, did_you_mean


class Anonymity(NamedTuple):
    """How far rows can be told apart."""

    rows: int
    groups: int
    """Different combinations."""
    k: int
    """Rows of the smallest one; 0 without rows."""
    unique: float
    """Share of rows that are alone with their combination."""
    sizes: tuple[tuple[str, float], ...]
    """Share of rows in groups of 1, 2 to 4, 5 to 10 and more rows."""


_BINS = (("1", 1, 1), ("2 to 4", 2, 4), ("5 to 10", 5, 10), ("more", 11, None))


def check_names(names: Sequence[str], known: Sequence[str]) -> None:
    """Raise ConfigError, with the nearest name, for a quasi-identifier that is no feature of the schema."""
    for name in names:
        if name not in known:
            raise ConfigError(
                f"config.yaml: audit_privacy.quasi_identifiers: wanted a feature of the schema, got {name!r}"
                f"{did_you_mean(name, known)}"
            )


def measure(batches: Iterable[pa.RecordBatch], names: Sequence[str]) -> Anonymity:
    """Count the rows of each combination; a missing value is a value of its own. DataError for several values a row."""
    vocabularies = {name: Vocabulary() for name in names}
    parts = []
    for batch in batches:
        codes = [vocabularies[name].add(*categories(batch, name)) for name in names]
        parts.append(np.stack(codes, axis=1))
    if not parts:
        return Anonymity(0, 0, 0, 0.0, ())
    _, counts = np.unique(np.concatenate(parts), axis=0, return_counts=True)
    rows = int(counts.sum())
    shares = []
    for label, low, high in _BINS:
        inside = (counts >= low) & (counts <= (high if high is not None else rows))
        shares.append((label, float(counts[inside].sum() / rows)))
    return Anonymity(rows, len(counts), int(counts.min()), float((counts == 1).sum() / rows), tuple(shares))
