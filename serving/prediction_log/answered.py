"""One answered request, as it waits to be written."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy.typing as npt

from artifacts.model.features import Features
from artifacts.prediction_log import names
from serving.signature import Signature

Columns = Mapping[str, npt.NDArray[Any]]
_ARRAY_BYTES = 128
"""Memory of an array besides its values."""
_VALUE_BYTES = 8
"""Of a number, or of the reference to a text."""
_PER_BODY_BYTE = 16
"""Memory of the Python objects of texts, which an array only refers to: at most so many bytes for one of the body."""


class Answered(NamedTuple):
    """What a version answered to a request; nothing in it is copied or changed."""

    model: str
    version: int
    request_id: str
    body_bytes: int
    features: Features | None
    """The feature file of the version that answered."""
    signature: Signature
    columns: Columns
    """The tensors that the signature was fed, [rows, ...] each."""
    outputs: Columns
    """[rows, ...] each."""
    blocks: Columns = MappingProxyType({})
    """By dtype, columns of one value a row as one array, [columns, rows], in the order of the signature's inputs."""
    missing: Mapping[str, int] = MappingProxyType({})
    """Rows that lack a feature of the blocks."""
    role: str = names.CHAMPION

    def rows(self) -> int:
        """Return how many rows were answered; 0 when inputs or outputs are not one value or list a row."""
        if not self.signature.is_batched:
            return 0
        rows = 0
        for values in (next(iter(self.columns.values())), *self.outputs.values()):
            if not values.ndim or (rows and len(values) != rows):
                return 0
            rows = len(values)
        return rows

    def memory(self, rows: int) -> int:
        """Return a bound of the memory that it holds, in bytes."""
        size = sum(values.nbytes for values in self.outputs.values())
        size += sum(values.nbytes for values in self.columns.values()) if self.signature.others else 0
        arrays = len(self.columns) + len(self.outputs)
        return size + arrays * (_ARRAY_BYTES + rows * _VALUE_BYTES) + self.body_bytes * _PER_BODY_BYTE


class Waiting(NamedTuple):
    """An answer that waits to be written."""

    answered: Answered
    time_us: int
    """Microseconds since 1970."""
    rows: int
    size: int
    """Memory that it holds, in bytes."""
