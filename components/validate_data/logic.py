"""Validates statistics against the curated schema and compares them with each other; a closed gate stops the run."""

from pathlib import Path
from typing import NamedTuple

import tensorflow_data_validation as tfdv
from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2

from artifacts.examples.names import TRAIN, UNLABELED
from artifacts.model.schema_features import schema_of_requests
from artifacts.schema.anomalies import explain
from artifacts.schema.schema_file import SERVING, TRAINING, SchemaFile
from artifacts.statistics import names
from artifacts.statistics.differences import Dataset, read_datasets
from artifacts.statistics.features import by_name, common_statistics, is_number
from components.validate_data.comparisons import Comparison, compare
from components.validate_data.config import Config
from components.validate_data.lint import lint
from components.validate_data.pictures import draw
from core import pictures, user_code
from core.decision import Check, Decision, Verdict
from core.errors import DataError, SchemaError

GATE = "validate_data"
ANOMALIES = "SchemaDiff.pb"
_MORE_TO_TRAIN = "complete the spans, widen ingest_examples.window, or lower validate_data.min_examples"
_MORE_TO_PREDICT = "complete the files, widen infer_bulk.window, or lower infer_bulk.min_examples"
_TRAINED_ON, _UNLABELED = names.of_split(TRAIN), names.of_split(UNLABELED)


class Outputs(NamedTuple):
    """The paths of the outputs."""

    anomalies: str
    decision: str
    pictures: str


class Findings:
    """Collects checks of the schema, whose failures raise SchemaError, of the data and of comparisons (DataError)."""

    def __init__(self, outputs: Outputs) -> None:
        self._folder = Path(outputs.anomalies)
        self.schema: list[Check] = []
        self.data: list[Check] = []
        self.comparisons: list[Check] = []

    def record(self, name: str, anomalies: anomalies_pb2.Anomalies) -> None:
        """Write TFDV's anomalies of one dataset, as TFX's ExampleValidator does."""
        path = self._folder / name / ANOMALIES
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(anomalies.SerializeToString(deterministic=True))

    @property
    def checks(self) -> tuple[Check, ...]:
        """All checks, the schema's first."""
        return (*self.schema, *self.data, *self.comparisons)


def validate(config: Config, statistics: Path | str, schema: str, outputs: Outputs) -> Decision:
    """Validate the data, and write decision, anomalies and pictures.

    Raises SchemaError when the data does not fit the schema or the schema has faults, and DataError for too few rows,
    an unusable label, drift and skew; the message lists every check that did not pass, with its fix.
    """
    file = SchemaFile(user_code.resolve(schema))
    findings = Findings(outputs)
    _lint(config, file, findings)
    datasets = read_datasets(str(statistics), file.schema)
    for name, dataset in datasets.items():
        if names.is_split(name):
            _split(config, dataset, file, findings)
    _drift(config, [dataset for name, dataset in datasets.items() if names.is_span(name)], file, findings)
    if names.SERVING in datasets:
        _serving(config, datasets, file, findings)
    decision = Decision.of(GATE, findings.checks)
    pictures.write(outputs.pictures, draw(findings.checks, findings.comparisons))
    Path(outputs.anomalies).mkdir(parents=True, exist_ok=True)
    decision.write(outputs.decision)
    _stop_unless_open(decision, findings)
    return decision


def _lint(config: Config, file: SchemaFile, findings: Findings) -> None:
    drift = config.on_drift != "off"
    faults = lint(file, drift=drift)
    for fault in faults:
        findings.schema.append(
            Check(
                rule=f"schema: {fault.feature} {fault.description}".replace("  ", " "),
                verdict=Verdict.FAIL,
                next_step=fault.fix,
            )
        )
    if not faults:
        count = len(file.schema.feature)
        findings.schema.append(
            Check(
                rule=f"the schema can detect {'drift' if drift else 'anomalies'} of each of its {count} features",
                observed=float(count),
                verdict=Verdict.PASS,
            )
        )


def _split(config: Config, dataset: Dataset, file: SchemaFile, findings: Findings) -> None:
    """Check that a split has enough rows and a usable label, and that it fits the schema."""
    enough = dataset.examples >= config.min_examples
    more = _MORE_TO_PREDICT if dataset.name == _UNLABELED else _MORE_TO_TRAIN
    findings.data.append(
        Check(
            rule=f"{dataset.name} has at least {config.min_examples} rows",
            threshold=float(config.min_examples),
            observed=float(dataset.examples),
            slice=dataset.name,
            verdict=Verdict.PASS if enough else Verdict.FAIL,
            next_step="" if enough else more,
        )
    )
    if dataset.examples == 0:
        return  # TFDV finds no anomalies in an empty dataset
    if dataset.name == _UNLABELED:
        schema = schema_of_requests(file.schema, {config.label, config.weight or config.label})
        _fits_schema(dataset, SERVING, file, findings, schema)
        return
    if config.label:
        findings.data.append(_label_varies(config.label, dataset))
        findings.data += _label_is_single_valued(config.label, dataset, file)
    _fits_schema(dataset, TRAINING, file, findings)


def _fits_schema(
    dataset: Dataset,
    environment: str,
    file: SchemaFile,
    findings: Findings,
    schema: schema_pb2.Schema | None = None,
) -> None:
    anomalies = tfdv.validate_statistics(
        dataset.statistics, schema or file.schema, environment=file.environment(environment)
    )
    findings.record(dataset.name, anomalies)
    explained = explain(anomalies, file)
    for anomaly in explained:
        rule = f"{dataset.name}: {anomaly.feature or 'the data'} fits the schema"
        findings.schema.append(
            Check(
                rule=rule,
                observed=anomaly.description,
                slice=dataset.name,
                verdict=Verdict.FAIL,
                next_step=anomaly.fix,
            )
        )
    if not explained:
        verdict = Verdict.UNDECIDED if anomalies.data_missing else Verdict.PASS
        next_step = "add rows to the span: there is no data to validate" if anomalies.data_missing else ""
        findings.schema.append(
            Check(
                rule=f"{dataset.name}: every feature fits the schema",
                slice=dataset.name,
                verdict=verdict,
                next_step=next_step,
            )
        )


def _label_varies(label: str, dataset: Dataset) -> Check:
    """Check that not all rows have the same label, because no model can be trained or evaluated on them."""
    feature = by_name(dataset.statistics).get(label)
    if feature is None:
        values = 0
    elif is_number(feature):
        values = 2 if feature.num_stats.min < feature.num_stats.max else 1
    else:
        values = int(feature.string_stats.unique)
    return Check(
        rule=f"{dataset.name}: the label {label} has more than one value",
        threshold=2.0,
        observed=float(values),
        slice=dataset.name,
        verdict=Verdict.PASS if values > 1 else Verdict.FAIL,
        next_step=""
        if values > 1
        else f"correct {label} in the data: without a label, or with a single value, "
        "no model can be trained or evaluated",
    )


def _label_is_single_valued(label: str, dataset: Dataset, file: SchemaFile) -> list[Check]:
    """Fail for rows with several labels before anything is trained on them."""
    feature = by_name(dataset.statistics).get(label)
    most = 0 if feature is None else int(common_statistics(feature).max_num_values)
    if most <= 1:
        return []
    return [
        Check(
            rule=f"{dataset.name}: the label {label} has one value a row",
            threshold=1.0,
            observed=float(most),
            slice=dataset.name,
            verdict=Verdict.FAIL,
            next_step="several labels per row are not supported: write a column for each label, set problem.label "
            "to one of them, and describe it with `shape { dim { size: 1 } }` at "
            f"{file.place(label, 'shape', 'value_count')}",
        )
    ]


def _drift(config: Config, spans: list[Dataset], file: SchemaFile, findings: Findings) -> None:
    """Compare the newest span with the one before it; undecided when there is no span before it."""
    if config.on_drift == "off":
        return
    if len(spans) < 2:
        name = spans[0].name if spans else "the newest span"
        next_step = (
            "widen ingest_examples.window to the span before it, or set validate_data.on_drift: off if there is none"
        )
        findings.comparisons.append(
            Check(
                rule=f"drift: there is a span before {name} to compare with",
                verdict=Verdict.UNDECIDED,
                next_step=next_step,
            )
        )
        return
    checks, anomalies = compare(Comparison("drift", spans[-1], spans[-2], config.on_drift), file, config.min_examples)
    findings.comparisons += checks
    findings.record(spans[-1].name, anomalies)


def _serving(config: Config, datasets: dict[str, Dataset], file: SchemaFile, findings: Findings) -> None:
    serving = datasets[names.SERVING]
    _fits_schema(serving, SERVING, file, findings)
    if _TRAINED_ON in datasets:
        checks, _ = compare(
            Comparison("skew", datasets[_TRAINED_ON], serving, config.on_skew), file, config.min_examples
        )
        findings.comparisons += checks


def _stop_unless_open(decision: Decision, findings: Findings) -> None:
    if decision.is_open:
        return
    closed = [check for check in decision.checks if check.verdict is not Verdict.PASS]
    lines = [f"- {check.rule}: {_observation(check)} {check.next_step}" for check in closed]
    kind = SchemaError if any(check.verdict is not Verdict.PASS for check in findings.schema) else DataError
    raise kind(
        f"the data gate is closed; {len(closed)} of {len(decision.checks)} checks did not pass:\n" + "\n".join(lines)
    )


def _observation(check: Check) -> str:
    if check.observed is None:
        return "failed." if check.verdict is Verdict.FAIL else "undecided."
    return f"got {check.observed:.4g}." if isinstance(check.observed, float) else check.observed
