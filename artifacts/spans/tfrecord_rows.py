"""Reads TFRecord files of tf.Example: records are passed on unchanged, after checking types against the schema."""

from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow_hotfix  # noqa: F401
import pyarrow as pa
from google.protobuf.message import DecodeError

from artifacts.examples import message, tfrecord
from artifacts.spans.feature_types import FeatureType, TypeName
from artifacts.spans.files import SourceFile, open_regular
from artifacts.spans.read_options import ReadOptions
from artifacts.spans.rejects import Rejects
from core.errors import CorruptArtifact, DataError, EmptyDataset, SchemaError

_KINDS: dict[str, TypeName] = {"int64_list": "INT", "float_list": "FLOAT", "bytes_list": "BYTES"}


def read(file: SourceFile, options: ReadOptions, _: Rejects) -> Iterator[pa.Array]:
    """Yield a file's records as binary arrays.

    Raises EmptyDataset for a file without records, CorruptArtifact with path and offset for a damaged one,
    DataError for a SequenceExample, and SchemaError with record and feature for a value of another type.
    """
    example = message.example_class()
    block: list[bytes] = []
    number = 0
    with open_regular(file.path) as stream:
        for offset, record in tfrecord.read(stream, file.path, options.max_record_bytes):
            number += 1
            where = f"{file.path}: offset {offset}: record {number}"
            try:
                parsed = example.FromString(record)
            except DecodeError as error:
                raise CorruptArtifact(f"{where}: wanted a tf.Example, got something else: {error}") from error
            _refuse_sequences(parsed, where)
            _check(parsed.context.feature, options.types, where)
            block.append(_without(parsed, options.leave_out) if options.leave_out else record)
            if len(block) == options.batch_rows:
                yield pa.array(block, pa.binary())
                block = []
    if block:
        yield pa.array(block, pa.binary())
    if number == 0:
        raise EmptyDataset(f"{file.path}: wanted at least one record, got none; write the span again, or leave it out")


def _refuse_sequences(example: Any, where: str) -> None:
    """Raise DataError for a tf.SequenceExample: read as a tf.Example it would lose its sequences silently."""
    if example.feature_lists.feature_list:
        raise DataError(
            f"{where}: wanted a tf.Example, got a tf.SequenceExample with the sequences "
            f"{', '.join(sorted(example.feature_lists.feature_list))}, which no stage reads; "
            "write each sequence as a list of values of a tf.Example"
        )


def _without(example: Any, names: frozenset[str]) -> bytes:
    for name in names:
        example.context.feature.pop(name, None)
    content: bytes = example.SerializeToString(deterministic=True)
    return content


def _check(features: Any, types: Mapping[str, FeatureType], where: str) -> None:
    for name, feature in features.items():
        kind = feature.WhichOneof("kind")
        wanted = types.get(name)
        if wanted is not None and kind is not None and _KINDS[kind] != wanted.name:
            raise SchemaError(
                f"{where}: feature {name!r}: wanted {wanted.name}, got {_KINDS[kind]}; "
                "correct the source, or the feature's type in the schema"
            )
