"""Guesses the types of columns without a schema, so that a schema can be proposed for them."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import pyarrow_hotfix  # noqa: F401
import pyarrow as pa
from pyarrow import types as arrow_kinds

from artifacts.spans import csv_rows, parquet_rows
from artifacts.spans.feature_types import ARROW, FeatureType, TypeName
from artifacts.spans.files import SourceFile
from artifacts.spans.read_options import ReadOptions
from artifacts.spans.rejects import Rejects

_TEXT = ARROW["BYTES"]
_NARROWEST_FIRST: tuple[TypeName, ...] = ("INT", "FLOAT", "BYTES")


def guess_csv_types(files: Sequence[SourceFile], options: ReadOptions, max_rejects: int) -> dict[str, TypeName]:
    """Return the narrowest type of each column that fits all its values in all files; BYTES without values.

    Raises as `csv_rows.read` does.
    """
    found: dict[str, TypeName | None] = {}
    for file in files:
        rejects = Rejects(max_rejects, Path("/dev/null"))
        for batch in csv_rows.read(file, replace(options, types={}), rejects):
            _widen(found, batch)
    return {name: kind or "BYTES" for name, kind in found.items()}


def _widen(found: dict[str, TypeName | None], batch: pa.RecordBatch) -> None:
    """Widen the types found so far to those of a batch's texts."""
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        before = found.get(name)
        if before == "BYTES" or column.type != _TEXT:
            found.setdefault(name, "INT")
            continue
        texts = (text.decode() for text in column.unique().drop_null().to_pylist())
        found[name] = _widest(before, _kind(texts))


def widened_parquet_columns(files: Sequence[SourceFile]) -> set[str]:
    """Return the columns that are integers in some files and floats in others; they are read as FLOAT."""
    integers: set[str] = set()
    floats: set[str] = set()
    for file in files:
        for name, kind in parquet_rows.kinds_of(file).items():
            if arrow_kinds.is_integer(kind):
                integers.add(name)
            elif arrow_kinds.is_floating(kind) or arrow_kinds.is_decimal(kind):
                floats.add(name)
    return integers & floats


def _widest(one: TypeName | None, other: TypeName | None) -> TypeName | None:
    if one is None or other is None:
        return one or other
    return max(one, other, key=_NARROWEST_FIRST.index)


def _kind(texts: Iterable[str]) -> TypeName | None:
    found = list(texts)
    if not found:
        return None
    return next(kind for kind in _NARROWEST_FIRST if all(_fits(kind, text) for text in found))


def _fits(kind: TypeName, text: str) -> bool:
    try:
        FeatureType(kind).parse(text)
    except ValueError:
        return False
    return kind != "INT" or not text.lstrip("-").startswith("0") or text in ("0", "-0")
