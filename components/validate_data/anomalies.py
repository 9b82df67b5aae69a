"""Says of an anomaly that TensorFlow Data Validation found what to change: the feed, or which line of the schema."""

from collections.abc import Callable
from typing import NamedTuple

from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2

from artifacts.schema.schema_file import SchemaFile


class Anomaly(NamedTuple):
    """What is wrong with a feature in some data; an empty feature means the data as a whole."""

    feature: str
    what: str
    fix: str


def explain(found: anomalies_pb2.Anomalies, file: SchemaFile) -> list[Anomaly]:
    """Return every anomaly in words, by feature; changes from other data are left to the drift and skew checks."""
    named = [(name, list(info.reason)) for name, info in sorted(found.anomaly_info.items())]
    named.append(("", list(found.dataset_anomaly_info.reason)))
    anomalies = []
    for feature, reasons in named:
        told = [reason for reason in reasons if not _kind(reason).startswith("COMPARATOR_")]
        if told:
            what = " ".join(_sentence(reason.description) for reason in told)
            fixes = dict.fromkeys(_fix(_kind(reason), feature, file) for reason in told)
            anomalies.append(Anomaly(feature, what, "; ".join(fixes)))
    return anomalies


def _kind(reason: anomalies_pb2.AnomalyInfo.Reason) -> str:
    return str(anomalies_pb2.AnomalyInfo.Type.Name(reason.type))


def _sentence(text: str) -> str:
    return text.strip().rstrip(".") + "."


def _fix(kind: str, feature: str, file: SchemaFile) -> str:
    write = _FIXES.get(kind)
    return (
        write(feature, file)
        if write
        else f"compare the feed with {file.place(feature)}, and correct the one that is wrong"
    )


def _new_column(feature: str, file: SchemaFile) -> str:
    return f"take {feature} out of the feed, or describe it in {file.path.name} (`mlops schema propose` shows how)"


def _missing_column(feature: str, file: SchemaFile) -> str:
    return (
        f"bring {feature} back into the feed, or take the feature out at {file.place(feature)}; "
        f"if no row need have it, write `presence {{ min_fraction: 0 }}` at {file.place(feature, 'presence')}"
    )


def _data_type(feature: str, file: SchemaFile) -> str:
    wanted = schema_pb2.FeatureType.Name(file.features[feature].type) if feature in file.features else "its old type"
    return f"write {feature} as {wanted} again, or change `type` at {file.place(feature, 'type')}"


def _values(feature: str, file: SchemaFile) -> str:
    return (
        f"correct the values in the feed; if they are new and right, add them at {file.domain_place(feature)}, "
        f"or set how many may be unknown by `distribution_constraints {{ min_domain_mass }}` at "
        f"{file.place(feature, 'distribution_constraints')}"
    )


def _presence(feature: str, file: SchemaFile) -> str:
    return (
        f"find out where the feed lost the values of {feature}; "
        f"if they are missing for a good reason, lower presence at {file.place(feature, 'presence')}"
    )


def _count(feature: str, file: SchemaFile) -> str:
    return (
        f"write as many values of {feature} a row as the schema says at "
        f"{file.place(feature, 'value_count', 'shape')}, or change it"
    )


def _shape(feature: str, file: SchemaFile) -> str:
    return (
        f"fill the gaps of {feature} in the feed; "
        f"if it may be missing, write `value_count {{ min: 1 max: 1 }}`, not `shape`, at {file.place(feature, 'shape')}"
    )


def _range(feature: str, file: SchemaFile) -> str:
    place = file.place(feature, "float_domain", "int_domain")
    return f"correct the values or the unit of {feature} in the feed; if they are right, widen min and max at {place}"


def _finite(feature: str, file: SchemaFile) -> str:
    return (
        f"leave a value of {feature} that is not known out of the row instead of writing NaN or Inf "
        f"({file.place(feature, 'float_domain')} forbids those)"
    )


def _rows(_: str, file: SchemaFile) -> str:
    return f"complete the span, or change dataset_constraints in {file.path.name}"


_FIXES: dict[str, Callable[[str, SchemaFile], str]] = {
    "SCHEMA_NEW_COLUMN": _new_column,
    "SCHEMA_MISSING_COLUMN": _missing_column,
    "UNEXPECTED_DATA_TYPE": _data_type,
    "ENUM_TYPE_UNEXPECTED_STRING_VALUES": _values,
    "ENUM_TYPE_INVALID_UTF8": _values,
    "FEATURE_TYPE_LOW_FRACTION_PRESENT": _presence,
    "FEATURE_TYPE_LOW_NUMBER_PRESENT": _presence,
    "FEATURE_TYPE_NOT_PRESENT": _presence,
    "FEATURE_TYPE_HIGH_NUMBER_VALUES": _count,
    "FEATURE_TYPE_LOW_NUMBER_VALUES": _count,
    "INVALID_FEATURE_SHAPE": _shape,
    "FLOAT_TYPE_BIG_FLOAT": _range,
    "FLOAT_TYPE_SMALL_FLOAT": _range,
    "INT_TYPE_BIG_INT": _range,
    "INT_TYPE_SMALL_INT": _range,
    "FLOAT_TYPE_HAS_NAN": _finite,
    "FLOAT_TYPE_HAS_INF": _finite,
    "DATASET_LOW_NUM_EXAMPLES": _rows,
    "DATASET_HIGH_NUM_EXAMPLES": _rows,
}
