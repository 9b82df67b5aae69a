"""Finds what makes a schema blind: rules that TensorFlow Data Validation accepts and that then notice nothing."""

from typing import NamedTuple

from tensorflow_metadata.proto.v0 import schema_pb2

from artifacts.schema.schema_file import SchemaFile

_RETIRED = (schema_pb2.DEPRECATED, schema_pb2.DEBUG_ONLY, schema_pb2.DISABLED, schema_pb2.PLANNED, schema_pb2.ALPHA)
_TYPES = (schema_pb2.INT, schema_pb2.FLOAT, schema_pb2.BYTES)


class Fault(NamedTuple):
    """Something that a feature's schema lacks."""

    feature: str
    what: str
    fix: str


def lint(file: SchemaFile) -> list[Fault]:
    """Return every fault of a schema, feature by feature."""
    if not file.schema.feature:
        return [
            Fault(
                "",
                "the schema has no feature",
                f"describe the features in {file.path.name}; `mlops schema propose` shows how",
            )
        ]
    return [
        fault
        for feature in file.schema.feature
        if feature.lifecycle_stage not in _RETIRED
        for fault in _feature(feature, file)
    ]


def is_numeric(feature: schema_pb2.Feature) -> bool:
    """Tell whether statistics treat a feature as numbers, not as categories."""
    if feature.type == schema_pb2.FLOAT:
        return not feature.float_domain.is_categorical
    return bool(feature.type == schema_pb2.INT and not feature.int_domain.is_categorical)


def _feature(feature: schema_pb2.Feature, file: SchemaFile) -> list[Fault]:
    if feature.type not in _TYPES:
        return [
            Fault(
                feature.name,
                "has no type that an example can have",
                f"write `type: INT`, `FLOAT` or `BYTES` at {file.place(feature.name, 'type')}",
            )
        ]
    faults = [_presence(feature, file), _finite(feature, file), _drift(feature, file), _skew(feature, file)]
    return [fault for fault in faults if fault is not None]


def _presence(feature: schema_pb2.Feature, file: SchemaFile) -> Fault | None:
    """A feature that vanishes from 95 % of the rows drifts by little; only its presence tells."""
    if feature.presence.min_fraction > 0:
        return None
    return Fault(
        feature.name,
        "may be missing from every row without notice",
        f"write `presence {{ min_fraction: 0.9 min_count: 1 }}` with the share that it has, at {file.place(feature.name, 'presence')}",
    )


def _finite(feature: schema_pb2.Feature, file: SchemaFile) -> Fault | None:
    domain = feature.float_domain
    if feature.type != schema_pb2.FLOAT or (domain.disallow_nan and domain.disallow_inf):
        return None
    return Fault(
        feature.name,
        "may be NaN or infinite without notice",
        f"write `float_domain {{ disallow_nan: true disallow_inf: true }}` at {file.place(feature.name, 'float_domain')}",
    )


def _drift(feature: schema_pb2.Feature, file: SchemaFile) -> Fault | None:
    return _comparator(feature, feature.drift_comparator, "drift_comparator", file)


def _skew(feature: schema_pb2.Feature, file: SchemaFile) -> Fault | None:
    if not feature.HasField("skew_comparator"):
        return None  # not every use case has data of its server
    return _comparator(feature, feature.skew_comparator, "skew_comparator", file)


def _comparator(
    feature: schema_pb2.Feature, comparator: schema_pb2.FeatureComparator, key: str, file: SchemaFile
) -> Fault | None:
    """An infinity norm is silently 0 on numbers: it compares the shares of categories."""
    norm, divergence = comparator.infinity_norm.threshold, comparator.jensen_shannon_divergence.threshold
    right = "jensen_shannon_divergence" if is_numeric(feature) else "infinity_norm"
    fix = f"write `{key} {{ {right} {{ threshold: 0.1 }} }}` with a measured bound at {file.place(feature.name, key)}"
    if is_numeric(feature) and comparator.HasField("infinity_norm"):
        return Fault(
            feature.name, f"is a number whose {key} has an infinity_norm, which sees no change of a number", fix
        )
    if not (0 < divergence <= 1 or 0 < norm <= 1):
        return Fault(feature.name, f"has no {key} with a bound above 0 and up to 1", fix)
    return None
