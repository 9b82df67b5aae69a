"""Reads TFRecord files of tf.Example: records are passed on unchanged, after checking types against the schema."""

from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow_hotfix  # noqa: F401
import pyarrow as pa
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError

from artifacts.examples import tfrecord
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
    example = _message()
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


def _message() -> Any:
    """Build the message class of tf.SequenceExample without TensorFlow, whose import takes seconds.

    It parses a tf.Example too, whose `features` have the field number and type of `context`.
    """
    pool = descriptor_pool.DescriptorPool()
    pool.Add(_descriptor())
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("tensorflow.SequenceExample"))


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
    _add_sequence_example(file)
    return file


def _add_sequence_example(file: descriptor_pb2.FileDescriptorProto) -> None:
    field = descriptor_pb2.FieldDescriptorProto
    feature_list = file.message_type.add(name="FeatureList")
    feature_list.field.add(
        name="feature", number=1, type=field.TYPE_MESSAGE, type_name=".tensorflow.Feature", label=field.LABEL_REPEATED
    )
    lists = file.message_type.add(name="FeatureLists")
    entry = lists.nested_type.add(name="FeatureListEntry", options=descriptor_pb2.MessageOptions(map_entry=True))
    entry.field.add(name="key", number=1, type=field.TYPE_STRING, label=field.LABEL_OPTIONAL)
    for message, name, number, kind, label in (
        (entry, "value", 2, ".tensorflow.FeatureList", field.LABEL_OPTIONAL),
        (lists, "feature_list", 1, ".tensorflow.FeatureLists.FeatureListEntry", field.LABEL_REPEATED),
    ):
        message.field.add(name=name, number=number, type=field.TYPE_MESSAGE, type_name=kind, label=label)
    sequence = file.message_type.add(name="SequenceExample")
    for name, number, kind in (
        ("context", 1, ".tensorflow.Features"),
        ("feature_lists", 2, ".tensorflow.FeatureLists"),
    ):
        sequence.field.add(
            name=name, number=number, type=field.TYPE_MESSAGE, type_name=kind, label=field.LABEL_OPTIONAL
        )
