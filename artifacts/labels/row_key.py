"""The key of a row: what labels, votes and splits name it by, whatever its label is."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Self

import pyarrow_hotfix  # noqa: F401
import pyarrow as pa
from tensorflow_metadata.proto.v0 import schema_pb2

from artifacts.examples import message
from artifacts.examples.encoder import encode
from artifacts.schema.schema_file import SERVING
from core.errors import DataError

_HEX_DIGITS = 32


@dataclass(frozen=True)
class RowKey:
    """Key columns if the use case has them, else a digest of the features that a request has.

    The label, weights and votes are in no request (`not_in_environment: "SERVING"` in the schema), so they do not
    change a key. Rows with equal features have one key.
    """

    columns: tuple[str, ...]
    features: tuple[str, ...]
    """Features of the digest, sorted; empty for all columns of a batch."""

    @classmethod
    def of(cls, schema: schema_pb2.Schema, columns: Iterable[str] | None = None) -> Self:
        """Return the key of a use case's rows, from its schema and `problem.key`."""
        served = (one.name for one in schema.feature if SERVING not in one.not_in_environment)
        return cls(tuple(columns or ()), tuple(sorted(served)))

    def contents(self, batch: pa.RecordBatch) -> pa.Array:
        """Return what identifies each row as a binary array, [rows]: equal for equal keys, and cheap.

        Columns hold single values or lists of them. Raises DataError for a key column that is missing or has a null.
        """
        if self.columns:
            return columns_content(batch, self.columns)
        kept = [name for name in batch.schema.names if not self.features or name in self.features]
        return encode(_selected(batch, kept or list(batch.schema.names)))

    def contents_of_records(self, records: Iterable[bytes]) -> pa.Array:
        """Return the same as `contents` for serialized tf.Examples."""
        parse = message.example_class().FromString
        return pa.array([self._content_of(parse(record)) for record in records], pa.binary())

    def keys(self, batch: pa.RecordBatch) -> list[str]:
        """Return the key of each row as text, as label files have it; raises DataError as `contents` does."""
        return self._texts(self.contents(batch))

    def keys_of_records(self, records: Iterable[bytes]) -> list[str]:
        """Return the same as `keys` for serialized tf.Examples."""
        return self._texts(self.contents_of_records(records))

    def _texts(self, contents: pa.Array) -> list[str]:
        if self.columns:
            return [content.decode("utf-8", "backslashreplace") for content in contents.to_pylist()]
        return [hashlib.sha256(content).hexdigest()[:_HEX_DIGITS] for content in contents.to_pylist()]

    def _content_of(self, example: Any) -> bytes:
        features = example.context.feature
        if self.columns:
            return _joined([_record_values(features, name) for name in self.columns])
        for name in [name for name in features if self.features and name not in self.features]:
            del features[name]
        content: bytes = example.SerializeToString(deterministic=True)
        return content


def columns_content(batch: pa.RecordBatch, columns: Iterable[str]) -> pa.Array:
    """Return the values of columns, row by row, as a binary array: the value's text, or a JSON list of several.

    Raises DataError for a column that is missing or has a null.
    """
    values = []
    for name in columns:
        index = batch.schema.get_field_index(name)
        if index < 0:
            raise _without(name)
        values.append([_only(value, name) for value in batch.column(index).to_pylist()])
    return pa.array([_joined(list(row)) for row in zip(*values, strict=True)], pa.binary())


def records_content(records: Iterable[bytes], columns: tuple[str, ...]) -> pa.Array:
    """Return the same as `columns_content` for serialized tf.Examples."""
    return RowKey(columns, ()).contents_of_records(records)


def _selected(batch: pa.RecordBatch, names: list[str]) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([batch.column(batch.schema.get_field_index(name)) for name in names], names)


def _only(value: Any, name: str) -> Any:
    """Return the value of a row's list, or the row's value."""
    values = value if isinstance(value, list) else [value]
    if len(values) != 1 or values[0] is None:
        raise DataError(
            f"key column {name!r}: wanted one value in every row, got {len([v for v in values if v is not None])}; "
            "correct the source, or choose another column"
        )
    return values[0]


def _record_values(features: Any, name: str) -> Any:
    if name not in features:
        raise _without(name)
    feature = features[name]
    kind = feature.WhichOneof("kind")
    return _only(list(getattr(feature, kind).value) if kind else [], name)


def _without(name: str) -> DataError:
    return DataError(
        f"key column {name!r}: wanted it in every row, got rows without it; correct the name or the source"
    )


def _joined(values: list[Any]) -> bytes:
    texts = [one.decode("utf-8", "backslashreplace") if isinstance(one, bytes) else str(one) for one in values]
    return (texts[0] if len(texts) == 1 else json.dumps(texts, ensure_ascii=False)).encode()
