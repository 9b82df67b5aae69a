"""Every anomaly of TFDV becomes a message on what to change, with the line of the schema."""

from pathlib import Path

import pytest
from tensorflow_metadata.proto.v0 import anomalies_pb2

from artifacts.schema.anomalies import Anomaly, explain
from artifacts.schema.schema_file import SchemaFile

SCHEMA = """feature {
  name: "carrier"
  type: BYTES
  presence { min_fraction: 1.0 }
  shape { dim { size: 1 } }
  domain: "carriers"
}
feature {
  name: "temp"
  type: FLOAT
  float_domain { min: -40 max: 130 }
  value_count { min: 1 max: 1 }
}
feature {
  name: "hour"
  type: INT
  int_domain { min: 0 max: 23 }
  distribution_constraints { min_domain_mass: 0.99 }
}
string_domain {
  name: "carriers"
  value: "AA"
}
"""
Reason = anomalies_pb2.AnomalyInfo.Reason


@pytest.fixture
def file(tmp_path: Path) -> SchemaFile:
    path = tmp_path / "schema.pbtxt"
    path.write_text(SCHEMA)
    return SchemaFile(path)


def found(feature: str, *kinds: str, description: str = "Something is wrong.") -> anomalies_pb2.Anomalies:
    reasons = [Reason(type=anomalies_pb2.AnomalyInfo.Type.Value(kind), description=description) for kind in kinds]
    anomalies = anomalies_pb2.Anomalies()
    target = anomalies.anomaly_info[feature] if feature else anomalies.dataset_anomaly_info
    target.reason.extend(reasons)
    return anomalies


FIXES = {
    ("carrier", "SCHEMA_MISSING_COLUMN"): (
        "add carrier to the data again, or remove the feature at schema.pbtxt:2; if rows may lack it, write "
        "`presence { min_fraction: 0 }` at schema.pbtxt:4"
    ),
    ("carrier", "UNEXPECTED_DATA_TYPE"): "write carrier as BYTES again, or change `type` at schema.pbtxt:3",
    ("carrier", "ENUM_TYPE_UNEXPECTED_STRING_VALUES"): (
        "correct the values in the data; if they are new and right, add them at schema.pbtxt:21, or allow a share of "
        "unknown values with `distribution_constraints { min_domain_mass }` at schema.pbtxt:2"
    ),
    ("hour", "ENUM_TYPE_INVALID_UTF8"): (
        "correct the values in the data; if they are new and right, add them at schema.pbtxt:17, or allow a share of "
        "unknown values with `distribution_constraints { min_domain_mass }` at schema.pbtxt:18"
    ),
    ("carrier", "FEATURE_TYPE_LOW_FRACTION_PRESENT"): (
        "find out why values of carrier are missing from the data; if that is expected, lower presence at "
        "schema.pbtxt:4"
    ),
    ("temp", "FEATURE_TYPE_HIGH_NUMBER_VALUES"): (
        "write as many values of temp per row as the schema says at schema.pbtxt:12, or change the schema"
    ),
    ("carrier", "FEATURE_TYPE_LOW_NUMBER_VALUES"): (
        "write as many values of carrier per row as the schema says at schema.pbtxt:5, or change the schema"
    ),
    ("carrier", "INVALID_FEATURE_SHAPE"): (
        "fill in the missing values of carrier in the data; if it may be missing, write "
        "`value_count { min: 1 max: 1 }`, not `shape`, at schema.pbtxt:5"
    ),
    ("temp", "FLOAT_TYPE_BIG_FLOAT"): (
        "correct the values or the unit of temp in the data; if they are right, widen min and max at schema.pbtxt:11"
    ),
    ("hour", "INT_TYPE_SMALL_INT"): (
        "correct the values or the unit of hour in the data; if they are right, widen min and max at schema.pbtxt:17"
    ),
    ("temp", "FLOAT_TYPE_HAS_NAN"): (
        "leave unknown values of temp out of the row instead of writing NaN or Inf, which schema.pbtxt:11 forbids"
    ),
    ("late", "SCHEMA_NEW_COLUMN"): (
        "remove late from the data, or describe it in schema.pbtxt (`mlops schema propose` shows how)"
    ),
    ("late", "UNEXPECTED_DATA_TYPE"): "write late as its old type again, or change `type` at schema.pbtxt",
    ("late", "UNKNOWN_TYPE"): "compare the data with schema.pbtxt, and correct the one that is wrong",
    ("", "DATASET_LOW_NUM_EXAMPLES"): "complete the span, or change dataset_constraints in schema.pbtxt",
}


@pytest.mark.parametrize(("feature", "kind"), FIXES, ids=[f"{feature} {kind}" for feature, kind in FIXES])
def test_each_names_the_data_and_the_line(feature: str, kind: str, file: SchemaFile) -> None:
    assert explain(found(feature, kind), file) == [Anomaly(feature, "Something is wrong.", FIXES[feature, kind])]


SAME = [
    ("FEATURE_TYPE_LOW_NUMBER_PRESENT", "FEATURE_TYPE_NOT_PRESENT", "FEATURE_TYPE_LOW_FRACTION_PRESENT"),
    ("FLOAT_TYPE_SMALL_FLOAT", "INT_TYPE_BIG_INT", "INT_TYPE_SMALL_INT"),
    ("FLOAT_TYPE_HAS_INF", "FLOAT_TYPE_HAS_NAN"),
    ("DATASET_HIGH_NUM_EXAMPLES", "DATASET_LOW_NUM_EXAMPLES"),
]


@pytest.mark.parametrize("kinds", SAME, ids=[kinds[0] for kinds in SAME])
def test_reasons_with_one_fix_give_it_once(kinds: tuple[str, ...], file: SchemaFile) -> None:
    [anomaly] = explain(found("temp", *kinds, description=" Too much of it "), file)
    assert anomaly.description == " ".join(["Too much of it."] * len(kinds))
    assert ";" not in anomaly.fix or anomaly.fix.count("; if") == anomaly.fix.count(";")
    assert [explain(found("temp", kind), file)[0].fix for kind in kinds] == [anomaly.fix] * len(kinds)


def test_several_fixes_are_listed_in_the_order_of_the_reasons(file: SchemaFile) -> None:
    [anomaly] = explain(found("temp", "FLOAT_TYPE_HAS_NAN", "UNEXPECTED_DATA_TYPE"), file)
    assert anomaly.fix.startswith("leave unknown values of temp out")
    assert anomaly.fix.endswith("; write temp as FLOAT again, or change `type` at schema.pbtxt:10")


def test_drift_and_skew_are_left_to_their_own_checks(file: SchemaFile) -> None:
    anomalies = found("temp", "COMPARATOR_L_INFTY_HIGH", "FLOAT_TYPE_HAS_NAN")
    anomalies.anomaly_info["carrier"].reason.add(
        type=anomalies_pb2.AnomalyInfo.COMPARATOR_JENSEN_SHANNON_DIVERGENCE_HIGH
    )
    [anomaly] = explain(anomalies, file)
    assert anomaly.feature == "temp"
    assert "NaN" in anomaly.fix
    assert explain(anomalies_pb2.Anomalies(), file) == []


def test_features_come_in_order_and_the_dataset_last(file: SchemaFile) -> None:
    anomalies = found("temp", "FLOAT_TYPE_HAS_NAN")
    anomalies.MergeFrom(found("carrier", "UNEXPECTED_DATA_TYPE"))
    anomalies.MergeFrom(found("", "DATASET_LOW_NUM_EXAMPLES"))
    assert [one.feature for one in explain(anomalies, file)] == ["carrier", "temp", ""]
