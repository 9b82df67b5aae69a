"""Planted faults of the data, each stopped by the data gate, which says what to change; numbers are TFDV's own.

One table of cases in one process: importing TensorFlow Data Validation takes longer than all of them.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow_hotfix  # noqa: F401
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from artifacts.examples.shards import shards
from components.compute_statistics.config import Config as StatisticsConfig
from components.compute_statistics.logic import compute
from components.ingest_examples.config import Config as IngestConfig
from components.ingest_examples.logic import PinnedSource, ingest
from components.validate_data.config import Config
from components.validate_data.logic import Outputs, validate
from core import digest
from core.decision import Decision, Verdict
from core.errors import CorruptArtifact, DataError, SchemaError

SCHEMA = """\
feature {
  name: "late"
  type: INT
  presence { min_fraction: 1.0 min_count: 1 }
  shape {}
  int_domain { min: 0 max: 1 is_categorical: true }
  not_in_environment: "SERVING"
  drift_comparator { infinity_norm { threshold: 0.3 } }
}
feature {
  name: "carrier"
  type: BYTES
  presence { min_fraction: 1.0 min_count: 1 }
  shape {}
  domain: "carriers"
  distribution_constraints { min_domain_mass: 0.99 }
  drift_comparator { infinity_norm { threshold: 0.2 } }
  skew_comparator { infinity_norm { threshold: 0.2 } }
}
feature {
  name: "temp"
  type: FLOAT
  presence { min_fraction: 0.8 min_count: 1 }
  value_count { min: 1 max: 1 }
  float_domain { min: -40 max: 130 disallow_nan: true disallow_inf: true }
  drift_comparator { jensen_shannon_divergence { threshold: 0.2 } }
  skew_comparator { jensen_shannon_divergence { threshold: 0.2 } }
}
string_domain {
  name: "carriers"
  value: "AA" value: "UA"
}
default_environment: "TRAINING"
default_environment: "SERVING"
"""
Columns = dict[str, Any]
ROWS = 600


def rows(seed: int, count: int = ROWS) -> Columns:
    random = np.random.default_rng(seed)
    temp = [
        None if gone else float(value)
        for value, gone in zip(random.normal(50, 10, count), random.random(count) < 0.05, strict=True)
    ]
    return {
        "late": random.integers(0, 2, count),
        "carrier": random.choice(["AA", "UA"], count),
        "temp": pa.array(temp, pa.float32()),
    }


class Gate:
    """Two spans through ingest, statistics and the gate."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.schema = root / "schema.pbtxt"
        self.schema.write_text(SCHEMA)
        self.spans = {1: rows(1), 2: rows(2)}

    def statistics(self, **settings: object) -> Path:
        for span, columns in self.spans.items():
            (self.root / f"span-{span}").mkdir(exist_ok=True)
            pq.write_table(pa.table(columns), self.root / f"span-{span}" / "rows.parquet")
        config = IngestConfig.model_validate(
            {
                "format": "parquet",
                "window": len(self.spans) - 1 or 1,
                "split": {"by": "time" if len(self.spans) > 1 else "hash"},
            }
        )
        source = PinnedSource(str(self.root / "span-{SPAN}" / "rows.parquet"), max(self.spans), "")
        ingest(config, source, str(self.schema), self.root / "examples")
        compute(
            StatisticsConfig.model_validate(settings),
            self.root / "examples",
            str(self.schema),
            self.root / "statistics",
            self.root / "data.html",
        )
        return self.root / "statistics"

    def decide(self, statistics: Path | None = None, **settings: object) -> Decision:
        outputs = Outputs(str(self.root / "anomalies"), str(self.root / "decision.json"), str(self.root / "gate.html"))
        config = Config.model_validate({"label": "late", "min_examples": 20, **settings})
        return validate(config, statistics or self.statistics(), str(self.schema), outputs)

    @property
    def decision(self) -> Decision:
        return Decision.read(self.root / "decision.json")


@pytest.fixture
def gate(tmp_path: Path) -> Gate:
    return Gate(tmp_path)


def test_good_data_opens_the_gate_and_leaves_evidence(gate: Gate) -> None:
    decision = gate.decide()
    assert decision.is_open
    assert gate.decision == decision
    assert {path.parent.name for path in (gate.root / "anomalies").glob("*/SchemaDiff.pb")} == {
        "Split-train",
        "Split-validation",
        "Split-eval",
        "Span-2",
    }
    assert "temp: drift from Span-1 to Span-2" in (gate.root / "gate.html").read_text()
    assert 'role="img"' in (gate.root / "data.html").read_text()


def _change(name: str, make: Callable[[Columns], Any]) -> Callable[[Gate], None]:
    def plant(gate: Gate) -> None:
        gate.spans[2][name] = make(gate.spans[2])

    return plant


def _drop(name: str) -> Callable[[Gate], None]:
    return lambda gate: gate.spans[2].pop(name)


def _temps(change: Callable[[float], float | None]) -> Callable[[Gate], None]:
    return _change(
        "temp",
        lambda columns: pa.array(
            [None if value is None else change(value) for value in columns["temp"].to_pylist()], pa.float32()
        ),
    )


def _schema(old: str, new: str) -> Callable[[Gate], None]:
    def plant(gate: Gate) -> None:
        assert old in SCHEMA
        gate.schema.write_text(SCHEMA.replace(old, new, 1))

    return plant


FAULTS: dict[str, tuple[Callable[[Gate], None], type[DataError], str, str]] = {
    "missing column": (
        _drop("temp"),
        SchemaError,
        "completely missing",
        "add temp to the data again, or remove the feature at schema.pbtxt:21",
    ),
    "missing label": (
        _drop("late"),
        SchemaError,
        "the label late has more than one value: got 0",
        "add late to the data again",
    ),
    "new column": (
        _change("delay", lambda _: np.arange(ROWS)),
        SchemaError,
        "New column",
        "remove delay from the data",
    ),
    "decimals for integers": (
        _change("late", lambda _: np.arange(ROWS) % 2 + 0.5),
        SchemaError,
        "INT but got FLOAT",
        "change `type` at schema.pbtxt:3",
    ),
    "text for decimals": (
        _change("temp", lambda _: ["50.5"] * ROWS),
        SchemaError,
        "FLOAT but got STRING",
        "write temp as FLOAT again",
    ),
    "unseen category beyond tolerance": (
        _change("carrier", lambda columns: np.where(np.arange(ROWS) % 20 == 0, "ZZ", columns["carrier"])),
        SchemaError,
        "ZZ (~5%)",
        (
            "add them at schema.pbtxt:30, or allow a share of unknown values with `distribution_constraints "
            "{ min_domain_mass }` at schema.pbtxt:16"
        ),
    ),
    "one NaN": (
        _change("temp", lambda _: pa.array([float("nan")] + [50.0] * (ROWS - 1), pa.float32())),
        SchemaError,
        "NaN",
        "which schema.pbtxt:25 forbids",
    ),
    "one infinity": (
        _change("temp", lambda _: pa.array([float("inf")] + [50.0] * (ROWS - 1), pa.float32())),
        SchemaError,
        "Inf",
        "schema.pbtxt:25",
    ),
    "nearly all missing": (
        _temps(lambda value: value if value > 66 else None),
        SchemaError,
        "minimum fraction = 0.8",
        "lower presence at schema.pbtxt:23",
    ),
    "one gap in a required feature": (
        _change("carrier", lambda _: ["AA", "UA"] * 299 + ["UA", None]),
        SchemaError,
        "not always present",
        "fill in the missing values of carrier",
    ),
    "out of range": (
        _change("late", lambda columns: np.where(np.arange(ROWS) == 0, 2, columns["late"])),
        SchemaError,
        "large value: 2",
        "widen min and max",
    ),
    "two values in one row": (
        _change("temp", lambda _: [[1.0, 2.0]] * ROWS),
        SchemaError,
        "more values",
        "schema.pbtxt:24",
    ),
    "drifted month": (
        _temps(lambda value: value + 40),
        DataError,
        "temp: drift from Span-1 to Span-2 <= 0.2",
        "raise the threshold at schema.pbtxt:26",
    ),
    "drifted category": (
        _change("carrier", lambda _: ["AA"] * ROWS),
        DataError,
        "carrier: drift",
        "set validate_data.on_drift: continue",
    ),
    "labels all one class": (
        _change("late", lambda _: np.ones(ROWS, int)),
        DataError,
        "Split-eval: the label late has more than one value: got 1",
        "no model can be trained",
    ),
    "a schema that cannot detect numeric drift": (
        _schema("jensen_shannon_divergence", "infinity_norm"),
        SchemaError,
        "temp is a number whose drift_comparator has an infinity_norm",
        "schema.pbtxt:26",
    ),
    "a schema without presence": (
        _schema("  presence { min_fraction: 0.8 min_count: 1 }\n", ""),
        SchemaError,
        "temp may be missing",
        "at schema.pbtxt:21",
    ),
    "a schema that allows NaN": (_schema("disallow_nan: true ", ""), SchemaError, "temp may be NaN", "schema.pbtxt:25"),
    "a schema without drift": (
        _schema("  drift_comparator { infinity_norm { threshold: 0.3 } }\n", ""),
        SchemaError,
        "late has no drift_comparator",
        "schema.pbtxt:2",
    ),
    "a schema with an empty comparator": (
        _schema("infinity_norm { threshold: 0.2 }", "infinity_norm {}"),
        SchemaError,
        "carrier has no drift_comparator",
        "schema.pbtxt:17",
    ),
    "an empty schema": (
        lambda gate: None,
        SchemaError,
        "the schema has no feature",
        "mlops schema propose",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.known_failure(18)
def test_a_planted_fault_stops_the_run_and_names_the_fix(gate: Gate, fault: str) -> None:
    plant, kind, description, fix = FAULTS[fault]
    plant(gate)
    statistics = gate.statistics()
    if fault == "an empty schema":
        gate.schema.write_text("")
    with pytest.raises(kind) as error:
        gate.decide(statistics)
    assert type(error.value) is kind
    assert description in str(error.value)
    assert fix in str(error.value)
    assert gate.decision.verdict is not Verdict.PASS, "the decision is written before the run stops"


def test_the_message_lists_every_anomaly(gate: Gate) -> None:
    gate.spans[2] |= {"delay": np.arange(ROWS), "carrier": ["ZZ"] * ROWS}
    del gate.spans[2]["temp"]
    with pytest.raises(SchemaError) as error:
        gate.decide()
    assert all(f"{name} fits the schema" in str(error.value) for name in ("delay", "carrier", "temp"))


def test_drift_may_be_recorded_instead(gate: Gate) -> None:
    _temps(lambda value: value + 40)(gate)
    decision = gate.decide(on_drift="continue")
    drift = next(check for check in decision.checks if check.rule.startswith("temp: drift"))
    assert decision.is_open
    assert "validate_data.on_drift is continue" in drift.rule
    assert isinstance(drift.observed, float)
    assert drift.observed > 0.2


def test_a_feature_that_was_disabled_is_not_compared(gate: Gate) -> None:
    _temps(lambda value: value + 40)(gate)
    _schema('name: "temp"\n', 'name: "temp"\n  lifecycle_stage: DISABLED  # not selected by l1\n')(gate)
    decision = gate.decide()
    assert decision.is_open, decision.summary
    assert not [check.rule for check in decision.checks if "temp" in check.rule]


def test_a_rare_unseen_category_is_tolerated(gate: Gate) -> None:
    gate.spans[2]["carrier"] = np.where(np.arange(ROWS) % 200 == 0, "ZZ", gate.spans[2]["carrier"])
    assert gate.decide().is_open


@pytest.mark.parametrize("empty", ["Split-eval", "Span-1", "Span-2"])
def test_an_empty_split_or_span_closes_the_gate(gate: Gate, empty: str) -> None:
    """TFDV finds no anomalies in an empty dataset, and no drift from one."""
    from tensorflow_metadata.proto.v0 import statistics_pb2

    statistics = gate.statistics()
    nothing = statistics_pb2.DatasetFeatureStatisticsList(
        datasets=[statistics_pb2.DatasetFeatureStatistics(num_examples=0)]
    )
    (statistics / empty / "FeatureStats.pb").write_bytes(nothing.SerializeToString())
    with pytest.raises(DataError, match=rf"{empty} has at least 20 rows.*got 0"):
        gate.decide(statistics)
    assert gate.decision.verdict is not Verdict.PASS


def test_a_single_span_closes_the_gate_unless_drift_is_off(gate: Gate) -> None:
    del gate.spans[2]
    statistics = gate.statistics()
    with pytest.raises(DataError, match="there is a span before Span-1 to compare with"):
        gate.decide(statistics)
    assert gate.decision.verdict is Verdict.UNDECIDED
    assert gate.decide(statistics, on_drift="off").is_open


def test_too_few_rows_close_the_gate(gate: Gate) -> None:
    with pytest.raises(DataError, match="at least 601 rows"):
        gate.decide(min_examples=601)


def test_files_that_are_not_statistics_are_corrupt(gate: Gate) -> None:
    statistics = gate.statistics()
    (statistics / "Split-eval" / "FeatureStats.pb").write_bytes(b"\xff\xff")
    with pytest.raises(CorruptArtifact, match=r"Split-eval/FeatureStats\.pb"):
        gate.decide(statistics)
    with pytest.raises(CorruptArtifact, match="at least one split"):
        gate.decide(gate.root / "nowhere")


def _serving(gate: Gate, columns: Columns) -> str:
    """Write rows as the server's log has them, and return a reference to it."""
    other = Gate(gate.root / "log")
    other.spans = {1: columns, 2: columns}
    other.statistics()
    log = shards(other.root / "examples", "eval")[0]
    return f"{log}@{digest.of_file(log)}"


def test_serving_data_is_compared_with_training_data(gate: Gate) -> None:
    (gate.root / "log").mkdir()
    served = rows(3)
    del served["late"]
    assert gate.decide(gate.statistics(serving=_serving(gate, served))).is_open, "serving data needs no label"
    served["carrier"] = ["AA"] * ROWS
    statistics = gate.statistics(serving=_serving(gate, served))
    with pytest.raises(DataError, match=r"carrier: skew from Serving to Split-train <= 0.2"):
        gate.decide(statistics)
    assert gate.decide(statistics, on_skew="continue").is_open


def test_several_labels_a_row_are_found_before_training(gate: Gate) -> None:
    gate.spans = {span: rows(span) | {"late": [[0, 1], [1, 0]] * (ROWS // 2)} for span in (1, 2)}
    gate.schema.write_text(SCHEMA.replace("shape {}", "value_count { min: 1 max: 2 }", 1))
    with pytest.raises(DataError, match=r"the label late has one value a row: got 2\. .* at schema.pbtxt:5"):
        gate.decide()


def test_a_column_that_may_be_absent_is_not_required(gate: Gate) -> None:
    gate.schema.write_text(
        SCHEMA.replace("presence { min_fraction: 0.8 min_count: 1 }", "presence { min_fraction: 0 }")
    )
    gate.spans[2]["temp"] = pa.array([None] * ROWS, pa.float32())
    assert gate.decide().is_open


def test_without_drift_checks_no_comparator_is_required(gate: Gate) -> None:
    gate.schema.write_text(SCHEMA.replace("drift_comparator { infinity_norm { threshold: 0.3 } }", ""))
    with pytest.raises(SchemaError, match="late has no drift_comparator"):
        gate.decide()
    assert gate.decide(gate.root / "statistics", on_drift="off").is_open


def unlabeled(gate: Gate, least: int = 1, **columns: Any) -> Decision:
    """Validate rows to predict: ingested into one split, validated as requests."""
    gate.root.joinpath("span-1").mkdir()
    pq.write_table(pa.table(rows(1) | columns), gate.root / "span-1" / "rows.parquet")
    settings = {"format": "parquet", "window": 1, "split": {"by": "none"}, "leave_out": ["late"]}
    source = PinnedSource(str(gate.root / "span-{SPAN}" / "rows.parquet"), 1, "")
    ingest(IngestConfig.model_validate(settings), source, str(gate.schema), gate.root / "examples")
    folders = (gate.root / "examples", str(gate.schema), gate.root / "statistics", gate.root / "data.html")
    compute(StatisticsConfig(), *folders)
    return gate.decide(gate.root / "statistics", min_examples=least, on_drift="off")


@pytest.mark.parametrize("environments", [True, False], ids=["with environments", "without"])
def test_rows_to_predict_need_no_label(gate: Gate, environments: bool) -> None:
    if not environments:
        gate.schema.write_text(
            SCHEMA[: SCHEMA.index("default_environment")].replace('not_in_environment: "SERVING"', "")
        )
    assert unlabeled(gate).is_open


def test_too_few_rows_to_predict_name_the_settings_of_bulk_inference(gate: Gate) -> None:
    with pytest.raises(DataError, match=r"lower infer_bulk\.min_examples"):
        unlabeled(gate, least=ROWS + 1)


def test_what_no_request_has_may_be_in_rows_to_predict(gate: Gate) -> None:
    more = 'feature { name: "note" type: BYTES presence { min_fraction: 1 } shape {} not_in_environment: "SERVING" }\n'
    gate.schema.write_text(SCHEMA.replace("string_domain {", more + "string_domain {", 1))
    count = len(rows(1)["carrier"])
    assert unlabeled(gate, note=["x"] * count).is_open


@pytest.mark.parametrize(
    ("columns", "wanted"),
    [
        ({"extra": [1]}, "remove extra from the data"),
        ({"temp": ["warm"]}, "write temp as FLOAT again"),
        ({"carrier": ["ZZ"]}, "carrier fits the schema"),
    ],
)
def test_rows_to_predict_that_do_not_fit_close_the_gate(gate: Gate, columns: dict[str, list[Any]], wanted: str) -> None:
    count = len(rows(1)["carrier"])
    with pytest.raises(SchemaError, match=wanted):
        unlabeled(gate, **{name: values * count for name, values in columns.items()})
    assert not gate.decision.is_open
