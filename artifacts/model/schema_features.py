"""Derives the raw features of a request from the curated schema."""

import keyword
import re
from collections.abc import Collection

from tensorflow_metadata.proto.v0 import schema_pb2

from artifacts.model.features import Content, DType, Feature, Personal
from artifacts.schema.schema_file import SERVING
from core.errors import SchemaError, did_you_mean

_DTYPES: dict[int, DType] = {schema_pb2.FLOAT: "float32", schema_pb2.INT: "int64", schema_pb2.BYTES: "string"}
_PERSONAL: dict[str, Personal] = {"personal": "drop", "personal:hash": "hash"}
"""What a tag of a feature's annotation in the schema means for whoever keeps its values, such as a prediction log."""
_HASHED = (schema_pb2.INT, schema_pb2.BYTES)
_CONTENTS: dict[str, Content] = {"natural_language_domain": "text", "image_domain": "image"}
_NOT_SERVED = (schema_pb2.DEPRECATED, schema_pb2.DISABLED, schema_pb2.VALIDATION_DERIVED)
_COUNT = "__count"
_RESERVED = frozenset({"self"})
"""Argument names that TensorFlow's functions reserve."""


def schema_features(schema: schema_pb2.Schema, label: str, weight: str | None = None) -> tuple[Feature, ...]:
    """Return the features of a request in the schema's order: those in SERVING, without label and weight.

    Raises SchemaError when the schema lacks label or weight, a feature's type is not INT, FLOAT or BYTES, or
    a tag about personal data is unknown.
    """
    names = [feature.name for feature in schema.feature]
    for key, name in (("label", label), ("weight", weight)):
        if name is not None and name not in names:
            raise SchemaError(f"the schema has no feature for problem.{key} {name!r}{did_you_mean(name, names)}")
    served = [
        feature
        for feature in schema.feature
        if feature.name not in (label, weight) and _is_served(feature, schema.default_environment)
    ]
    domains = {domain.name: tuple(domain.value) for domain in schema.string_domain}
    taken: set[str] = set()
    return tuple(_feature(feature, domains, taken) for feature in served)


def _is_served(feature: schema_pb2.Feature, environments: Collection[str]) -> bool:
    if feature.lifecycle_stage in _NOT_SERVED or SERVING in feature.not_in_environment:
        return False
    return SERVING in feature.in_environment or SERVING in environments or not feature.in_environment


def schema_of_requests(schema: schema_pb2.Schema, not_served: Collection[str]) -> schema_pb2.Schema:
    """Return the schema of rows without a label: what no request has may be there or not, and is not validated."""
    requests = schema_pb2.Schema()
    requests.CopyFrom(schema)
    for feature in requests.feature:
        is_served = feature.name not in not_served and _is_served(feature, schema.default_environment)
        if not is_served and feature.lifecycle_stage not in _NOT_SERVED:
            feature.lifecycle_stage = schema_pb2.DISABLED
    return requests


def dimensions(feature: schema_pb2.Feature) -> tuple[int, ...] | None:
    """Return the fixed shape of a feature in the schema; None when rows may lack it or have any number of values."""
    return tuple(int(dim.size) for dim in feature.shape.dim) if feature.HasField("shape") else None


def _feature(feature: schema_pb2.Feature, domains: dict[str, tuple[str, ...]], taken: set[str]) -> Feature:
    if feature.type not in _DTYPES:
        raise SchemaError(
            f"feature {feature.name!r}: wanted the type INT, FLOAT or BYTES, "
            f"got {schema_pb2.FeatureType.Name(feature.type)}"
        )
    fixed = dimensions(feature)
    argument = _argument(feature.name, taken)
    return Feature(
        name=feature.name,
        dtype=_DTYPES[feature.type],
        required=fixed is not None,
        shape=_row_shape(feature),
        argument=argument,
        count="" if fixed is not None else _argument(f"{argument}{_COUNT}", taken),
        values=domains.get(feature.domain, tuple(feature.string_domain.value)),
        personal=_personal(feature),
        content=_CONTENTS.get(feature.WhichOneof("domain_info") or "", ""),
    )


def _personal(feature: schema_pb2.Feature) -> Personal:
    """Read the tags of a feature's annotation; other tags than those about personal data are someone else's."""
    tags = [tag for tag in feature.annotation.tag if tag.strip().lower().startswith("personal")]
    for tag in tags:
        if tag not in _PERSONAL:
            raise SchemaError(
                f"feature {feature.name!r}: annotation: wanted the tag {' or '.join(_PERSONAL)}, got {tag!r}"
                f"{did_you_mean(tag, _PERSONAL)}"
            )
    found = {_PERSONAL[tag] for tag in tags}
    if found == {"hash"} and feature.type not in _HASHED:
        raise SchemaError(
            f"feature {feature.name!r}: annotation: wanted the type INT or BYTES with the tag personal:hash, got "
            f"{schema_pb2.FeatureType.Name(feature.type)}; the tag personal leaves its values out"
        )
    return "drop" if "drop" in found else "hash" if found else "no"


def _row_shape(feature: schema_pb2.Feature) -> tuple[int | None, ...]:
    fixed = dimensions(feature)
    if fixed is not None:
        return () if fixed == (1,) else fixed
    return () if feature.value_count.max == 1 else (None,)


def _argument(name: str, taken: set[str]) -> str:
    """Return a tensor's name: the feature's name if it is valid, else a similar one, with a number if it is taken.

    TensorFlow accepts Python identifiers, and ignores case.
    """
    plain = re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_") if not _is_legal(name) else name
    if not plain or not plain[0].isalpha() or keyword.iskeyword(plain) or plain in _RESERVED:
        plain = f"feature_{plain}".rstrip("_")
    chosen, number = plain, 2
    while chosen.casefold() in taken:
        chosen, number = f"{plain}_{number}", number + 1
    taken.add(chosen.casefold())
    return chosen


def _is_legal(name: str) -> bool:
    return re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name) is not None
