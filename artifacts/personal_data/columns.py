"""Searches the values of examples for personal data; each different value of a batch is searched once."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator

import pyarrow_hotfix  # noqa: F401
import pyarrow as pa
import pyarrow.compute as pc

from artifacts.personal_data.detectors import found_in
from artifacts.personal_data.finding import Finding

_LONG = 10**11
"""Integers with fewer digits are neither cards nor telephone numbers."""


def in_batches(batches: Iterable[pa.RecordBatch]) -> Iterator[Finding]:
    """Yield what is in texts and long integers, by feature; `times` is the number of values.

    Values that are not UTF-8, such as images, are left out.
    """
    found: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for batch in batches:
        for name, column in zip(batch.schema.names, batch.columns, strict=True):
            found[name].update(_in_column(column))
    for name, counts in found.items():
        yield from (Finding(detector, f"examples/{name}", count) for detector, count in sorted(counts.items()))


def _in_column(column: pa.Array) -> Counter[str]:
    values = column.flatten() if pa.types.is_list(column.type) or pa.types.is_large_list(column.type) else column
    kind, found = values.type, Counter[str]()
    is_number = pa.types.is_integer(kind)
    if is_number:
        values = values.filter(pc.greater(pc.abs(values), _LONG))
    elif not (pa.types.is_binary(kind) or pa.types.is_large_binary(kind)):
        return found
    counted = values.value_counts()
    for value, rows in zip(counted.field(0).to_pylist(), counted.field(1).to_pylist(), strict=True):
        text = str(value).encode() if is_number else value
        if text is not None and (is_number or _is_text(text)):
            found.update(dict.fromkeys(found_in(text), rows))
    return found


def _is_text(value: bytes) -> bool:
    try:
        value.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
