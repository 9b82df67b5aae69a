"""The labels that a row may have, from the schema."""

from tensorflow_metadata.proto.v0 import schema_pb2

from artifacts.labels.reader import Value
from core.errors import SchemaError

_MOST_CLASSES = 1000


def classes(schema: schema_pb2.Schema, label: str, *, are_classes: bool = True) -> tuple[Value, ...]:
    """Return the classes of a label in the schema's order; empty for numbers, of which any is allowed.

    Raises SchemaError for a label that the schema lacks, or classes that it does not list.
    """
    feature = next((one for one in schema.feature if one.name == label), None)
    if feature is None:
        raise SchemaError(f"wanted the label {label!r} in the schema, got none; add the feature")
    if not are_classes:
        return ()
    if feature.HasField("string_domain"):
        return tuple(feature.string_domain.value)
    if feature.domain:
        return tuple(next(one for one in schema.string_domain if one.name == feature.domain).value)
    if feature.HasField("int_domain") and 0 <= feature.int_domain.max - feature.int_domain.min < _MOST_CLASSES:
        return tuple(range(feature.int_domain.min, feature.int_domain.max + 1))
    if feature.type == schema_pb2.INT:
        return (0, 1)
    raise SchemaError(f"wanted the classes of {label!r} in the schema, got none; give the feature a domain")
