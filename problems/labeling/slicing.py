"""Slicing functions, the `slicing_functions` of a use case's `labeling.py`: each becomes a feature to slice by."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pyarrow_hotfix  # noqa: F401
import pyarrow as pa
import pyarrow.compute as pc

from core.errors import LabelingError
from problems.labeling.functions import BatchFunction, LabelingFunction, as_function
from problems.labeling.rows import rows, shown

YES, NO = "yes", "no"


@dataclass(frozen=True)
class Slice:
    """A slice of the data: the rows on which a function says true, or votes for anything."""

    name: str
    function: Any

    def flags(self, batch: pa.RecordBatch) -> pa.Array:
        """Return `yes` or `no` for each row; LabelingError when the function raises or returns too few values."""
        found = self._selected(batch)
        if len(found) != batch.num_rows:
            raise LabelingError(
                f"slicing function {self.name!r}: wanted true or false for each of {batch.num_rows} rows, "
                f"got {len(found)}"
            )
        return pc.if_else(pc.fill_null(found, False), pa.scalar(YES), pa.scalar(NO))

    def _selected(self, batch: pa.RecordBatch) -> pa.Array:
        function = self.function
        if hasattr(function, "labels"):
            found = function.function(batch) if isinstance(function, BatchFunction) else _voted(function, batch)
            return found if isinstance(found, pa.Array) else pa.array(found, pa.bool_())
        chosen = []
        for index, row in enumerate(rows(batch)):
            try:
                chosen.append(bool(function.function(row)))
            except Exception as error:
                raise LabelingError(
                    f"slicing function {self.name!r} raised {type(error).__name__}: {error!s:.200} "
                    f"for row {index} ({shown(batch, index)})"
                ) from error
        return pa.array(chosen, pa.bool_())


def slices(given: Iterable[Any]) -> list[Slice]:
    """Return the slices of `slicing_functions`: any labeling function, or snorkel's `@slicing_function`s."""
    return [Slice(function.name, function) for function in map(as_function, given)]


def _voted(function: LabelingFunction, batch: pa.RecordBatch) -> pa.Array:
    return pc.is_valid(function.labels(batch))
