"""Turns TensorFlow Data Validation's anomalies into messages on what to change: the data, or a line of the schema."""

from collections.abc import Callable
from typing import NamedTuple

from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2

from artifacts.schema.schema_file import SchemaFile


class Anomaly(NamedTuple):
    """What is wrong with a feature, and how to fix it; `feature` is empty for the dataset itself."""

    feature: str
    description: str
    fix: str


def explain(found: anomalies_pb2.Anomalies, file: SchemaFile) -> list[Anomaly]:
    """Describe every anomaly, by feature; drift and skew are left out, because they have checks of their own."""
    reasons_by_feature = {name: list(info.reason) for name, info in sorted(found.anomaly_info.items())}
    reasons_by_feature[""] = list(found.dataset_anomaly_info.reason)
    anomalies = []
    for feature, reasons in reasons_by_feature.items():
        schema_reasons = [reason for reason in reasons if not _kind(reason).startswith("COMPARATOR_")]
        if schema_reasons:
            description = " ".join(_sentence(reason.description) for reason in schema_reasons)
            fixes = dict.fromkeys(_fix(_kind(reason), feature, file) for reason in schema_reasons)
            anomalies.append(Anomaly(feature, description, "; ".join(fixes)))
    return anomalies


def _kind(reason: anomalies_pb2.AnomalyInfo.Reason) -> str:
    return str(anomalies_pb2.AnomalyInfo.Type.Name(reason.type))


def _sentence(text: str) -> str:
    return text.strip().rstrip(".") + "."


def _fix(kind: str, feature: str, file: SchemaFile) -> str:
    describe_fix = _FIXES.get(kind)
    if describe_fix is None:
        return f"compare the data with {file.place(feature)}, and correct the one that is wrong"
    return describe_fix(feature, file)


def _new_column(feature: str, file: SchemaFile) -> str:
    return f"remove {feature} from the data, or describe it in {file.path.name} (`mlops schema propose` shows how)"


def _missing_column(feature: str, file: SchemaFile) -> str:
    return (
        f"add {feature} to the data again, or remove the feature at {file.place(feature)}; "
        f"if rows may lack it, write `presence {{ min_fraction: 0 }}` at {file.place(feature, 'presence')}"
    )


def _data_type(feature: str, file: SchemaFile) -> str:
    wanted = schema_pb2.FeatureType.Name(file.features[feature].type) if feature in file.features else "its old type"
    return f"write {feature} as {wanted} again, or change `type` at {file.place(feature, 'type')}"


def _values(feature: str, file: SchemaFile) -> str:
    return (
        f"correct the values in the data; if they are new and right, add them at {file.domain_place(feature)}, "
        f"or allow a share of unknown values with `distribution_constraints {{ min_domain_mass }}` at "
        f"{file.place(feature, 'distribution_constraints')}"
    )


def _presence(feature: str, file: SchemaFile) -> str:
    return (
        f"find out why values of {feature} are missing from the data; "
        f"if that is expected, lower presence at {file.place(feature, 'presence')}"
    )


def _count(feature: str, file: SchemaFile) -> str:
    return (
        f"write as many values of {feature} per row as the schema says at "
        f"{file.place(feature, 'value_count', 'shape')}, or change the schema"
    )


def _shape(feature: str, file: SchemaFile) -> str:
    return (
        f"fill in the missing values of {feature} in the data; "
        f"if it may be missing, write `value_count {{ min: 1 max: 1 }}`, not `shape`, at {file.place(feature, 'shape')}"
    )


def _range(feature: str, file: SchemaFile) -> str:
    place = file.place(feature, "float_domain", "int_domain")
    return f"correct the values or the unit of {feature} in the data; if they are right, widen min and max at {place}"


def _finite(feature: str, file: SchemaFile) -> str:
    return (
        f"leave unknown values of {feature} out of the row instead of writing NaN or Inf, "
        f"which {file.place(feature, 'float_domain')} forbids"
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
