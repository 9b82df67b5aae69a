"""Applies labeling functions to batches: each returns labels, which become votes, the indices of classes."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import pyarrow_hotfix  # noqa: F401
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from core.errors import LabelingError, did_you_mean
from problems.labeling.functions import LabelingFunction, RowFunction, as_function
from problems.labeling.rows import rows, shown
from problems.labeling.votes import ABSTAIN, Votes

KeyOf = Callable[[pa.RecordBatch, int], str]
"""Returns the key of a row of a batch, for messages."""


class Applier:
    """The labeling functions of a use case, with the names of the classes that they vote for."""

    def __init__(self, functions: Iterable[Any], classes: Sequence[str], key_of: KeyOf | None = None) -> None:
        """Check the functions; LabelingError for what is no function, and for two of the same name."""
        self._functions = [as_function(function) for function in functions]
        self._classes = tuple(classes)
        self._index = {name: index for index, name in enumerate(classes)}
        self._key_of = key_of or (lambda _, row: str(row))
        repeated = sorted({name for name in self.names if self.names.count(name) > 1})
        if repeated:
            raise LabelingError(f"labeling_functions: wanted a name for each, got {', '.join(repeated)} more than once")

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the functions, in their order."""
        return tuple(function.name for function in self._functions)

    def votes(self, batch: pa.RecordBatch) -> Votes:
        """Return the votes on a batch of plain columns, [rows, functions].

        Raises LabelingError, with the function's name, the row's key and its values, when a function raises or returns
        what is no class.
        """
        found = np.full((batch.num_rows, len(self._functions)), ABSTAIN, np.int16)
        for index, function in enumerate(self._functions):
            if isinstance(function, RowFunction):
                found[:, index] = self._of_rows(function, batch)
            else:
                found[:, index] = self._of_batch(function, batch)
        return found

    def _of_rows(self, function: RowFunction, batch: pa.RecordBatch) -> NDArray[np.int16]:
        found = np.full(batch.num_rows, ABSTAIN, np.int16)
        for index, row in enumerate(rows(batch)):
            try:
                label = function.function(row)
            except Exception as error:
                raise self._raised(function.name, error, batch, index) from error
            if label is not None:
                found[index] = self._vote(label, function.name, partial(self._where, batch, index))
        return found

    def _of_batch(self, function: LabelingFunction, batch: pa.RecordBatch) -> NDArray[np.int16]:
        try:
            labels = function.labels(batch)
        except LabelingError:
            raise
        except Exception as error:
            raise self._raised(function.name, error, batch, _first_that_raises(function, batch)) from error
        array = labels if isinstance(labels, pa.Array) else _array(labels, function.name)
        if len(array) != batch.num_rows:
            raise LabelingError(
                f"labeling function {function.name!r}: wanted a label or None for each of {batch.num_rows} rows, "
                f"got {len(array)}"
            )
        if pa.types.is_null(array.type):
            return np.full(batch.num_rows, ABSTAIN, np.int16)
        encoded = array if pa.types.is_dictionary(array.type) else array.dictionary_encode()
        codes = encoded.indices.fill_null(len(encoded.dictionary)).to_numpy(zero_copy_only=False)
        table = []
        for code, label in enumerate(encoded.dictionary.to_pylist()):
            where = self._where_code(batch, codes, code)
            table.append(ABSTAIN if label is None else self._vote(label, function.name, where))
        return np.asarray(np.array([*table, ABSTAIN], np.int16)[codes])

    def _where_code(self, batch: pa.RecordBatch, codes: NDArray[Any], code: int) -> Callable[[], str]:
        return lambda: self._where(batch, int(np.argmax(codes == code)))

    def _vote(self, label: Any, name: str, where: Callable[[], str]) -> int:
        """Return the index of a class that a function names, or numbers as snorkel does."""
        if isinstance(label, str) and label in self._index:
            return self._index[label]
        is_number = isinstance(label, int | float | np.integer | np.floating) and not isinstance(label, bool)
        if is_number and float(label).is_integer() and ABSTAIN <= label < len(self._classes):
            return int(label)
        hint = did_you_mean(label, self._classes) if isinstance(label, str) else ""
        raise LabelingError(
            f"labeling function {name!r}: wanted one of {', '.join(self._classes)}, their indices from 0 to "
            f"{len(self._classes) - 1}, or None to abstain, got {label!r:.40} for {where()}{hint}"
        )

    def _raised(self, name: str, error: Exception, batch: pa.RecordBatch, row: int) -> LabelingError:
        return LabelingError(
            f"labeling function {name!r} raised {type(error).__name__}: {error!s:.200} for {self._where(batch, row)}"
        )

    def _where(self, batch: pa.RecordBatch, row: int) -> str:
        return f"the row {self._key_of(batch, row)} ({shown(batch, row)})"


def _array(labels: Any, name: str) -> pa.Array:
    try:
        return pa.array(labels)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise LabelingError(f"labeling function {name!r}: wanted labels of one type, got {error!s:.200}") from error


def _first_that_raises(function: LabelingFunction, batch: pa.RecordBatch) -> int:
    """Return the first row on which a function of batches raises by itself; 0 when it only raises for more rows."""
    for row in range(batch.num_rows):
        try:
            function.labels(batch.slice(row, 1))
        except Exception:
            return row
    return 0
