"""Compares what the model in production is asked and answers with its training, and writes the decision."""

import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import pyarrow_hotfix  # noqa: F401
import numpy as np

from adapters.beam_start import workers_of
from artifacts.evaluation.columns import Values
from artifacts.examples.manifest import ExamplesManifest
from artifacts.examples.names import TRAIN
from artifacts.feedback import report
from artifacts.feedback.findings import Alarm, Cause, Findings
from artifacts.feedback.report import Feedback
from artifacts.predictions.split import Splits
from artifacts.schema.schema_file import SchemaFile, read_schema
from artifacts.statistics import names
from artifacts.statistics.differences import Dataset, read_datasets
from components.monitor_model.answered import read_sample
from components.monitor_model.config import Config
from components.monitor_model.data_checks import Rows, data_checks
from components.monitor_model.evaluated import Evaluated, Subject, evaluated, form_of
from components.monitor_model.performance import age_check, live_of, overdue_check, performance_checks
from components.monitor_model.pictures import Shown, draw
from components.monitor_model.prediction_check import prediction_check, score_statistics
from components.monitor_model.server_checks import server_checks
from core import pictures, user_code
from core.backends.pointer import Pointer
from core.backends.registry import ModelVersion, open_registry
from core.beam.choice import choose
from core.beam.settings import Runner
from core.decision import Check, Decision, Verdict
from core.errors import MlopsError
from core.object_stores import locations

GATE = "monitor_model"
_NO_SERVER = "errors and latency of the server: its metrics were not given (mlops monitor --server-metrics FILE|URL)"


class Inputs(NamedTuple):
    """The inputs of the component."""

    schema: str
    registry: str
    examples: str
    statistics: str
    served: str
    feedback: str


class Outputs(NamedTuple):
    """The paths of the outputs."""

    decision: str
    findings: str
    pictures: str


def monitor(config: Config, inputs: Inputs, outputs: Outputs) -> Decision:
    """Write the decision, the findings and the pictures; an alarm is a check that failed, and no error.

    Raises RegistryError when the version in production is gone, SchemaError or CorruptArtifact for inputs that cannot
    be read.
    """
    feedback = Feedback.read(Path(inputs.feedback))
    schema = user_code.resolve(inputs.schema)
    file = SchemaFile(schema)
    version = open_registry(inputs.registry).resolve(feedback.model, feedback.champion)
    splits = Splits(locations.located(inputs.examples), read_schema(schema))
    runner = choose(config.beam, ExamplesManifest.read(splits.folder).bytes_in(splits.folder)).runner
    with workers_of(runner, "components.monitor_model.with_beam"):  # before the model is loaded, which starts threads
        known = _evaluated(runner, config, Subject(version, inputs.registry, splits), outputs)
    rows = _rows(inputs, file)
    answers = _prediction_checks(config, inputs, version, known, is_sampled=runner is not None)
    drift = [*data_checks(config, rows, file), *answers.checks]
    performance = [*performance_checks(config, feedback, version.version, known), age_check(config, feedback, version)]
    server, not_measured = _server_checks(config, inputs, feedback)
    others = [*_overdue(config, feedback), *server]
    decision = Decision.of(GATE, (*drift, *performance, *others), subject=version.digest)
    alarms = [*_alarms(drift, "drift"), *_alarms(performance, "performance"), *_alarms(others, None)]
    findings = _findings(feedback, decision, alarms, not_measured, known)
    findings = findings.model_copy(update={"sampled": [*_sampled_rows(known, config), *answers.sampled]})
    findings.write(Path(outputs.findings))
    pictures.write(outputs.pictures, draw(Shown(decision, findings, feedback, rows, known.scores), file))
    decision.write(outputs.decision)
    return decision


def _rows(inputs: Inputs, file: SchemaFile) -> Rows:
    training = read_datasets(inputs.statistics, file.schema)[names.of_split(TRAIN)]
    served: dict[str, Dataset] = {}
    if any(Path(inputs.served).glob("Split-*")):  # no rows, no statistics
        served = read_datasets(inputs.served, file.schema)
    current, previous = (served.get(names.of_split(name)) for name in (report.CURRENT, report.PREVIOUS))
    return Rows(training, current, previous)


class _Answers(NamedTuple):
    """Checks of what clients were answered, and of which rows those are a sample."""

    checks: list[Check]
    sampled: list[str]


def _evaluated(runner: Runner | None, config: Config, subject: Subject, outputs: Outputs) -> Evaluated:
    if runner is None:
        return evaluated(config, subject)
    from components.monitor_model.with_beam import evaluated_with_beam  # noqa: PLC0415 - Beam takes seconds to import

    return evaluated_with_beam(runner, config, subject, Path(outputs.findings))


def _prediction_checks(
    config: Config, inputs: Inputs, version: ModelVersion, known: Evaluated, *, is_sampled: bool
) -> _Answers:
    path = report.scores_file(Path(inputs.feedback), version.version)
    current, sampled = None, []
    if path.is_file():
        try:
            if is_sampled:
                found = read_sample(path, config.sample_rows, config.seed)
                scores = known.scores_of(found.outputs, form_of(is_outside=found.is_outside))
                sampled = _sample("answered rows", len(scores), found.rows, config)
            else:
                output: Values = np.load(path, allow_pickle=False)
                scores = known.scores_of(output)
            current = score_statistics(scores)
        except MlopsError as error:
            rule = "predictions: the logged scores are those of the model"
            check = Check(rule=rule, observed=str(error), verdict=Verdict.FAIL, next_step="see which output is logged")
            return _Answers([check], [])
    return _Answers([prediction_check(config, current, score_statistics(known.scores))], sampled)


def _sampled_rows(known: Evaluated, config: Config) -> list[str]:
    return _sample("rows of the evaluation", len(known.scores), known.of_rows, config)


def _sample(what: str, rows: int, of_rows: int, config: Config) -> list[str]:
    """Say which rows are a sample; nothing where they are all."""
    return [f"{rows:,} of {of_rows:,} {what}, drawn with seed {config.seed}"] if rows < of_rows else []


def _server_checks(config: Config, inputs: Inputs, feedback: Feedback) -> tuple[list[Check], list[str]]:
    path = Path(inputs.feedback) / report.SERVER_METRICS
    if not path.is_file():
        return [], [_NO_SERVER]
    return list(server_checks(config, path.read_text(encoding="utf-8", errors="replace"), feedback.model)), []


def _overdue(config: Config, feedback: Feedback) -> list[Check]:
    return [overdue_check(config, feedback)] if feedback.labels["rows"] > feedback.labels["waiting"] else []


def _alarms(checks: Sequence[Check], cause: Cause | None) -> list[Alarm]:
    failed = [check for check in checks if check.verdict is Verdict.FAIL]
    return [Alarm(cause=cause, rule=check.rule, feature=check.slice, observed=check.observed) for check in failed]


def _findings(
    feedback: Feedback, decision: Decision, alarms: list[Alarm], not_measured: list[str], known: Evaluated
) -> Findings:
    version = Pointer.parse(feedback.champion).version
    undecided = [check for check in decision.checks if check.verdict is Verdict.UNDECIDED]
    return Findings(
        model=feedback.model,
        champion=feedback.champion,
        as_of=feedback.as_of,
        period=_period(feedback),
        alarms=alarms,
        undecided=[f"{check.rule}; {check.next_step}" for check in undecided],
        not_measured=not_measured,
        live=live_of(feedback, version),
        points=feedback.points,
        deployments=feedback.deployments,
        evaluated={name: value for name, value in known.metrics.items() if math.isfinite(value)},
    )


def _period(feedback: Feedback) -> int:
    """Return the number of the window's length in which the monitor's instant lies."""
    start, end = (datetime.fromisoformat(text) for text in (feedback.current.start, feedback.current.end))
    since_1970 = timedelta(seconds=datetime.fromisoformat(feedback.as_of).timestamp())
    return since_1970 // (end - start)
