"""The message of a tf.Example, without TensorFlow."""

from functools import cache
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory


@cache
def example_class() -> Any:
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
