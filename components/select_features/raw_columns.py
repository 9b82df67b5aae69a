"""Raw features of the sample as arrays, whose encodings do not depend on the label."""

from dataclasses import dataclass
from typing import Any, Literal

import pyarrow_hotfix  # noqa: F401
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from artifacts.evaluation.columns import categories, numbers
from artifacts.matrix.encodings import Encoding, Picture, Vector, Words
from artifacts.matrix.usable_features import UsableFeatures


@dataclass(frozen=True)
class RawColumn:
    """One feature of all sampled rows."""

    name: str
    form: Literal["number", "category", "wide"]
    values: Any
    """Numbers [rows] with NaN, codes [rows] with -1 for none, or a (sparse) matrix [rows, columns]."""

    def permuted(self, rows: NDArray[np.int64]) -> "RawColumn":
        """Return the column with other rows in place of its own: a shadow that knows nothing of the label."""
        return RawColumn(self.name, self.form, self.values[rows])


def raw_columns(batch: pa.RecordBatch, usable: UsableFeatures) -> list[RawColumn]:
    """Return the usable features, in the order of the batch."""
    wide: dict[str, Encoding] = {name: Vector(batch, name) for name in usable.vectors}
    wide |= {name: Words(name) for name in usable.texts}
    wide |= {name: Picture(name) for name in usable.pictures}
    found = {name: RawColumn(name, "wide", encoding.columns(batch)) for name, encoding in wide.items()}
    found |= {name: RawColumn(name, "number", numbers(batch, name)) for name in usable.numeric}
    found |= {name: RawColumn(name, "category", categories(batch, name)[0]) for name in usable.categorical}
    return [found[name] for name in batch.schema.names if name in found]


def twins_of(columns: list[RawColumn], above: float) -> dict[str, str]:
    """Return later feature -> the earlier one that says the same in every row."""
    twins: dict[str, str] = {}
    for index, later in enumerate(columns):
        for earlier in columns[:index]:
            if earlier.name not in twins and _same(earlier, later, above):
                twins[later.name] = earlier.name
                break
    return twins


def _same(one: RawColumn, other: RawColumn, above: float) -> bool:
    if one.form != other.form:
        return False
    if one.form == "wide":
        return bool(one.values.shape == other.values.shape and abs(one.values - other.values).max() == 0)
    if one.form == "category":
        return _renamed(one.values, other.values)
    return _correlated(one, other, above)


def _correlated(one: RawColumn, other: RawColumn, above: float) -> bool:
    """Whether two numbers are missing in the same rows and correlated in the others."""
    known = np.isfinite(one.values)
    if not np.array_equal(known, np.isfinite(other.values)) or known.sum() < 2:
        return False
    left, right = one.values[known], other.values[known]
    if left.std() == 0 or right.std() == 0:
        return False
    return abs(float(np.corrcoef(left, right)[0, 1])) > above


def _renamed(one: NDArray[np.int32], other: NDArray[np.int32]) -> bool:
    """Whether values come in fixed pairs; unknown, and so False, where nearly every value is different."""
    pairs = len(np.unique(np.stack([one, other], axis=1), axis=0))
    return pairs == len(np.unique(one)) == len(np.unique(other)) and pairs <= len(one) // 2
