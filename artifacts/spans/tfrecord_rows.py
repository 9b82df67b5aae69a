"""Reads TFRecord files of tf.Example: the records travel on as they are, after each has been held against the schema."""

from collections.abc import Iterator
from typing import Any

import pyarrow_hotfix  # noqa: F401
import pyarrow as pa
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError

from artifacts.examples import tfrecord
from artifacts.spans.feature_types import FeatureType, Kind
from artifacts.spans.files import SourceFile, open_regular
from core.errors import CorruptArtifact, EmptyDataset, SchemaError

_KINDS: dict[str, Kind] = {"int64_list": "INT", "float_list": "FLOAT", "bytes_list": "BYTES"}


def read_tfrecord(
    file: SourceFile, types: dict[str, FeatureType], max_record_bytes: int, batch_rows: int
) -> Iterator[pa.Array]:
    """Yield a file's records as binary arrays.

    Raises EmptyDataset for a file without a record, CorruptArtifact with path and offset for one that is not whole, and
    SchemaError with record and feature for a value of another type.
    """
    example = _message("Example")
    block: list[bytes] = []
    number = 0
    with open_regular(file.path) as stream:
        for offset, record in tfrecord.read(stream, file.path, max_record_bytes):
            number += 1
            try:
                features = example.FromString(record).features.feature
            except DecodeError as error:
                raise CorruptArtifact(
                    f"{file.path}: offset {offset}: record {number}: wanted a tf.Example, got something else: {error}"
                ) from error
            _check(features, types, f"{file.path}: offset {offset}: record {number}")
            block.append(record)
            if len(block) == batch_rows:
                yield pa.array(block, pa.binary())
                block = []
    if block:
        yield pa.array(block, pa.binary())
    if number == 0:
        raise EmptyDataset(f"{file.path}: wanted at least one record, got none; write the span again, or leave it out")


def _check(features: Any, types: dict[str, FeatureType], where: str) -> None:
    for name, feature in features.items():
        kind = feature.WhichOneof("kind")
        wanted = types.get(name)
        if wanted is not None and kind is not None and _KINDS[kind] != wanted.kind:
            raise SchemaError(
                f"{where}: feature {name!r}: wanted {wanted.kind}, got {_KINDS[kind]}; correct the source, or the feature's type in the schema"
            )


def _message(name: str) -> Any:
    """Build the message class of tf.Example in a pool of its own: TensorFlow, which has it, takes seconds to import."""
    pool = descriptor_pool.DescriptorPool()
    pool.Add(_descriptor())
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"tensorflow.{name}"))


def _descriptor() -> descriptor_pb2.FileDescriptorProto:
    file = descriptor_pb2.FileDescriptorProto(name="example.proto", package="tensorflow", syntax="proto3")
    field = descriptor_pb2.FieldDescriptorProto
    for name, kind in (
        ("BytesList", field.TYPE_BYTES),
        ("FloatList", field.TYPE_FLOAT),
        ("Int64List", field.TYPE_INT64),
    ):
        file.message_type.add(name=name).field.add(name="value", number=1, type=kind, label=field.LABEL_REPEATED)
    feature = file.message_type.add(name="Feature")
    feature.oneof_decl.add(name="kind")
    for number, (name, kind) in enumerate(
        (("bytes_list", "BytesList"), ("float_list", "FloatList"), ("int64_list", "Int64List")), 1
    ):
        feature.field.add(
            name=name,
            number=number,
            type=field.TYPE_MESSAGE,
            type_name=f".tensorflow.{kind}",
            label=field.LABEL_OPTIONAL,
            oneof_index=0,
        )
    features = file.message_type.add(name="Features")
    entry = features.nested_type.add(name="FeatureEntry", options=descriptor_pb2.MessageOptions(map_entry=True))
    entry.field.add(name="key", number=1, type=field.TYPE_STRING, label=field.LABEL_OPTIONAL)
    entry.field.add(
        name="value", number=2, type=field.TYPE_MESSAGE, type_name=".tensorflow.Feature", label=field.LABEL_OPTIONAL
    )
    features.field.add(
        name="feature",
        number=1,
        type=field.TYPE_MESSAGE,
        type_name=".tensorflow.Features.FeatureEntry",
        label=field.LABEL_REPEATED,
    )
    example = file.message_type.add(name="Example")
    example.field.add(
        name="features", number=1, type=field.TYPE_MESSAGE, type_name=".tensorflow.Features", label=field.LABEL_OPTIONAL
    )
    return file
