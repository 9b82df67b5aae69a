"""Compares statistics with the curated schema and each other, and stops the run unless the gate is open."""

from pathlib import Path
from typing import NamedTuple

import tensorflow_data_validation as tfdv
from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2, statistics_pb2

from artifacts.examples.names import TRAIN
from artifacts.schema import derived
from artifacts.schema.schema_file import SERVING, TRAINING, SchemaFile
from artifacts.statistics import folder as statistics_folder
from artifacts.statistics import names
from artifacts.statistics.features import by_name, common_statistics, is_number
from components.validate_data.anomalies import explain
from components.validate_data.comparisons import Comparison, Side, compare
from components.validate_data.config import Config
from components.validate_data.lint import lint
from components.validate_data.pictures import draw
from core import pictures, user_code
from core.decision import Check, Decision, Verdict
from core.errors import DataError, SchemaError

GATE = "validate_data"
ANOMALIES = "SchemaDiff.pb"
_TRAINED_ON = names.of_split(TRAIN)


class Outputs(NamedTuple):
    """Where the findings go."""

    anomalies: str
    decision: str
    pictures: str


class Findings:
    """Checks as they come in; those about the schema are told apart, because they end in another error."""

    def __init__(self, outputs: Outputs) -> None:
        self._folder = Path(outputs.anomalies)
        self.schema: list[Check] = []
        self.data: list[Check] = []
        self.moves: list[Check] = []

    def record(self, name: str, anomalies: anomalies_pb2.Anomalies) -> None:
        """Write what TFDV found in one set of data, as TFX's ExampleValidator does."""
        path = self._folder / name / ANOMALIES
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(anomalies.SerializeToString(deterministic=True))

    @property
    def checks(self) -> tuple[Check, ...]:
        """All checks, the schema's first."""
        return (*self.schema, *self.data, *self.moves)


def validate(config: Config, statistics: Path | str, schema: str, outputs: Outputs) -> Decision:
    """Judge the data and write decision, anomalies and picture.

    Raises SchemaError when the data or the schema itself breaks the schema's rules, and DataError for too little
    data, a label that says nothing, drift and skew; the message lists everything that was found, with the fix of each.
    """
    file = SchemaFile(user_code.resolve(schema))
    found = Findings(outputs)
    _lint(config, file, found)
    sides = _sides(statistics, file.schema)
    for name, side in sides.items():
        if names.is_split(name):
            _split(config, side, file, found)
    _drift(config, [side for name, side in sides.items() if names.is_span(name)], file, found)
    if names.SERVING in sides:
        _serving(config, sides, file, found)
    decision = Decision.of(GATE, found.checks)
    pictures.write(outputs.pictures, draw(found.checks, found.moves))
    Path(outputs.anomalies).mkdir(parents=True, exist_ok=True)
    decision.write(outputs.decision)
    _stop_unless_open(decision, found)
    return decision


def _sides(statistics: Path | str, schema: schema_pb2.Schema) -> dict[str, Side]:
    """Read what is validated; of what is derived, that is what the schema declares."""
    derived_statistics = statistics_folder.read_derived(statistics)
    declared = {feature.name for feature in schema.feature if derived.is_derived(feature)}
    sides = {}
    for name, found in statistics_folder.read(statistics).items():
        extra = derived_statistics.get(name, statistics_pb2.DatasetFeatureStatisticsList())
        if found.datasets:
            found.datasets[0].features.extend(one for key, one in by_name(extra).items() if key in declared)
        sides[name] = Side(name, found, extra)
    return sides


def _lint(config: Config, file: SchemaFile, found: Findings) -> None:
    drift = config.on_drift != "off"
    faults = lint(file, drift=drift)
    for fault in faults:
        found.schema.append(
            Check(
                rule=f"schema: {fault.feature} {fault.what}".replace("  ", " "),
                verdict=Verdict.FAIL,
                next_step=fault.fix,
            )
        )
    if not faults:
        count = len(file.schema.feature)
        found.schema.append(
            Check(
                rule=f"the schema can notice {'a change' if drift else 'a fault'} in each of its {count} features",
                observed=float(count),
                verdict=Verdict.PASS,
            )
        )


def _split(config: Config, side: Side, file: SchemaFile, found: Findings) -> None:
    """Check that a split has rows, that its label says something, and that it fits the schema."""
    enough = side.examples >= config.min_examples
    found.data.append(
        Check(
            rule=f"{side.name} has at least {config.min_examples} rows",
            threshold=float(config.min_examples),
            observed=float(side.examples),
            slice=side.name,
            verdict=Verdict.PASS if enough else Verdict.FAIL,
            next_step=""
            if enough
            else "complete the spans, widen ingest_examples.window, or lower validate_data.min_examples",
        )
    )
    if side.examples == 0:
        return  # TFDV finds nothing wrong with no data
    if config.label:
        found.data.append(_label(config.label, side))
        found.data += _one_label(config.label, side, file)
    _fits(side, TRAINING, file, found)


def _fits(side: Side, environment: str, file: SchemaFile, found: Findings) -> None:
    anomalies = tfdv.validate_statistics(side.statistics, file.schema, environment=file.environment(environment))
    found.record(side.name, anomalies)
    explained = explain(anomalies, file)
    for anomaly in explained:
        rule = f"{side.name}: {anomaly.feature or 'the data'} fits the schema"
        found.schema.append(
            Check(rule=rule, observed=anomaly.what, slice=side.name, verdict=Verdict.FAIL, next_step=anomaly.fix)
        )
    if not explained:
        verdict = Verdict.UNDECIDED if anomalies.data_missing else Verdict.PASS
        next_step = "complete the span: there is no data to hold against the schema" if anomalies.data_missing else ""
        found.schema.append(
            Check(
                rule=f"{side.name}: every feature fits the schema",
                slice=side.name,
                verdict=verdict,
                next_step=next_step,
            )
        )


def _label(label: str, side: Side) -> Check:
    """A split in which every row has the same label trains nothing and judges nothing."""
    feature = by_name(side.statistics).get(label)
    if feature is None:
        values = 0
    elif is_number(feature):
        values = 2 if feature.num_stats.min < feature.num_stats.max else 1
    else:
        values = int(feature.string_stats.unique)
    return Check(
        rule=f"{side.name}: the label {label} has more than one value",
        threshold=2.0,
        observed=float(values),
        slice=side.name,
        verdict=Verdict.PASS if values > 1 else Verdict.FAIL,
        next_step=""
        if values > 1
        else f"look where the feed fills {label}: without it, or with one value alone, "
        "there is nothing to learn or to judge",
    )


def _one_label(label: str, side: Side, file: SchemaFile) -> list[Check]:
    """A row with several labels is a problem of another kind; found here, it costs no training."""
    feature = by_name(side.statistics).get(label)
    most = 0 if feature is None else int(common_statistics(feature).max_num_values)
    if most <= 1:
        return []
    return [
        Check(
            rule=f"{side.name}: the label {label} has one value a row",
            threshold=1.0,
            observed=float(most),
            slice=side.name,
            verdict=Verdict.FAIL,
            next_step="several labels a row are not supported: write a column for each label, name one of them "
            "in problem.label, and describe it with `shape { dim { size: 1 } }` at "
            f"{file.place(label, 'shape', 'value_count')}",
        )
    ]


def _drift(config: Config, spans: list[Side], file: SchemaFile, found: Findings) -> None:
    """Compare the newest span with the one before it; without a baseline the gate cannot tell, and stays closed."""
    if config.on_drift == "off":
        return
    if len(spans) < 2:
        name = spans[0].name if spans else "the newest span"
        next_step = (
            "give the run a window with the span before it, or set validate_data.on_drift: off where there is none"
        )
        found.moves.append(
            Check(
                rule=f"drift: there is a span before {name} to compare with",
                verdict=Verdict.UNDECIDED,
                next_step=next_step,
            )
        )
        return
    checks, anomalies = compare(Comparison("drift", spans[-1], spans[-2], config.on_drift), file, config.min_examples)
    found.moves += checks
    found.record(spans[-1].name, anomalies)


def _serving(config: Config, sides: dict[str, Side], file: SchemaFile, found: Findings) -> None:
    serving = sides[names.SERVING]
    _fits(serving, SERVING, file, found)
    if _TRAINED_ON in sides:
        checks, _ = compare(Comparison("skew", sides[_TRAINED_ON], serving, config.on_skew), file, config.min_examples)
        found.moves += checks


def _stop_unless_open(decision: Decision, found: Findings) -> None:
    if decision.is_open:
        return
    broken = [check for check in decision.checks if check.verdict is not Verdict.PASS]
    lines = [f"- {check.rule}: {_seen(check)} {check.next_step}" for check in broken]
    kind = SchemaError if any(check.verdict is not Verdict.PASS for check in found.schema) else DataError
    raise kind(
        f"the data is not fit to train on; {len(broken)} of {len(decision.checks)} checks do not hold:\n"
        + "\n".join(lines)
    )


def _seen(check: Check) -> str:
    if check.observed is None:
        return "it does not hold." if check.verdict is Verdict.FAIL else "it could not be decided."
    return f"got {check.observed:.4g}." if isinstance(check.observed, float) else check.observed
