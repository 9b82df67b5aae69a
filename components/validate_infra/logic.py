"""Serve the exported model in a separate process, send it real raw rows, and judge what comes back."""

import json
import math
import statistics
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from components.validate_infra.config import Config
from components.validate_infra.requests import Client, ServerGone
from core import digest
from core.decision import Bound, Check, Decision, Verdict, compare
from core.errors import UsageError
from serving.candidate import CandidateServer
from serving.errors import ModelError
from serving.signature import Features, read_features

GATE = "validate_infra"
SAVED_MODEL = "Format-Serving"
PARITY_FILE = "parity.jsonl"
_REFUSED_LIST = 3
_OUTPUTS = ("outputs", "scores", "predictions", "probabilities", "output_0")
"""Names of the output that is the prediction, where a model has several."""


class Row(NamedTuple):
    """One raw row and what the evaluation predicted for it."""

    instance: dict[str, Any]
    predictions: list[float]


@dataclass(frozen=True)
class Seen:
    """What the server did with the rows."""

    startup_seconds: float
    singles: tuple[Any, ...]
    """Per row: the predictions, or the error as text."""
    batch: Any
    bare: Any
    """The answer to a row with its required features alone; None when every feature is required."""
    latencies_ms: tuple[float, ...]


def validate(
    config: Config, model_path: Path | str, evaluation_path: Path | str, decision_path: Path | str
) -> Decision:
    """Judge whether the exported model can serve, and write the decision; a model that cannot is a `fail`, never an error."""
    saved_model = Path(model_path) / SAVED_MODEL
    checks = _checks(config, saved_model, Path(evaluation_path) / PARITY_FILE)
    decision = Decision.of(GATE, checks, subject=digest.of_folder(saved_model))
    decision.write(decision_path)
    return decision


def _checks(config: Config, saved_model: Path, parity: Path) -> tuple[Check, ...]:
    try:
        rows = _read_rows(parity, config.rows)
        features = read_features(saved_model)
    except (OSError, ValueError, KeyError, TypeError) as error:
        return (
            _undecided(
                "there are evaluated rows to send", f"{parity}: {error}; run evaluate_model again, it writes them"
            ),
        )
    except ModelError as error:
        return (_failed("the exported model says its features", str(error)),)
    if not rows:
        return (
            _undecided(
                "there are evaluated rows to send", f"{parity} holds none: look at what evaluate_model was given"
            ),
        )
    with tempfile.TemporaryDirectory(prefix="validate-infra-") as scratch:
        server = CandidateServer(saved_model, Path(scratch) / "server.log", config.engine)
        try:
            with server:
                seen = _ask(config, server, rows, features)
        except UsageError as error:
            return (_undecided("there is a server to try", str(error)),)
        except ServerGone as error:
            return (
                _failed(
                    "the exported model is served by a separate process",
                    f"{error}; the server's log ends with:\n{server.log_tail()}",
                ),
            )
    return judge(config, rows, seen)


def _read_rows(parity: Path, most: int) -> list[Row]:
    with parity.open(encoding="utf-8") as lines:
        read = [json.loads(line) for line, _ in zip(lines, range(most), strict=False)]
    return [Row(dict(entry["instance"]), [float(value) for value in entry["predictions"]]) for entry in read]


def _ask(config: Config, server: CandidateServer, rows: list[Row], features: Features | None) -> Seen:
    client = Client(server, config.request_seconds)
    startup = client.await_ready(config.startup_seconds)
    absent = {field.name: field.absent for field in features.fields if not field.required} if features else {}
    # TensorFlow Serving refuses a row without an input: its clients send what the exported graph takes for missing.
    filled = absent if config.engine == "tensorflow_serving" else {}
    instances = [{**filled, **row.instance} for row in rows]
    bare = {**{name: value for name, value in rows[0].instance.items() if name not in absent}, **filled}
    answers = [client.predict([instance]) for instance in instances]
    return Seen(
        startup_seconds=startup,
        singles=tuple(answer.content for answer in answers),
        batch=client.predict(instances).content,
        bare=client.predict([bare]).content if absent else None,
        latencies_ms=tuple(answer.milliseconds for answer in answers),
    )


def judge(config: Config, rows: list[Row], seen: Seen) -> tuple[Check, ...]:
    """Hold what the server did against the evaluation and the limits, one check each."""
    checks = [
        compare(
            "start-up in seconds",
            seen.startup_seconds,
            Bound(at_most=config.startup_seconds),
            next_step="Look at the size of the model and its vocabularies.",
        ),
        _answered(rows, seen),
        _same_numbers(config, rows, seen),
    ]
    if seen.bare is not None:
        checks.append(
            _check(
                "a row without its optional features is answered",
                _is_finite(seen.bare),
                _shown(seen.bare),
                "Export the model so that a missing optional feature is filled in by its graph.",
            )
        )
    median = statistics.median(seen.latencies_ms)
    checks.append(
        compare(
            "median latency in ms",
            median,
            Bound(at_most=config.median_latency_ms),
            next_step="Make the model smaller, or raise validate_infra.median_latency_ms with a reason.",
        )
    )
    return tuple(checks)


def _answered(rows: list[Row], seen: Seen) -> Check:
    refused = [f"row {at}: {_shown(answer)}" for at, answer in enumerate(seen.singles) if not _is_finite(answer)]
    if not _is_finite(seen.batch):
        refused.append(f"all rows in one request: {_shown(seen.batch)}")
    rule = f"{len(rows)} real rows are answered with finite numbers, one by one and in one request"
    return _check(
        rule,
        not refused,
        f"{len(refused)} refused" if refused else "all",
        f"The server said: {'; '.join(refused[:_REFUSED_LIST])}",
    )


def _same_numbers(config: Config, rows: list[Row], seen: Seen) -> Check:
    differences = [_difference(row.predictions, answer) for row, answer in zip(rows, seen.singles, strict=True)]
    batch = seen.batch if isinstance(seen.batch, list) and len(seen.batch) == len(rows) else [[math.nan]] * len(rows)
    differences += [_difference(row.predictions, [answer]) for row, answer in zip(rows, batch, strict=True)]
    worst = max(range(len(differences)), key=lambda at: math.inf if math.isnan(differences[at]) else differences[at])
    row = worst % len(rows)
    step = (
        f"Row {row} of {PARITY_FILE} was {rows[row].predictions} in the evaluation and {_shown(seen.singles[row])} when served: "
        "look for a difference between the transform in training and in the exported graph."
    )
    return compare(
        "largest difference to the evaluation",
        differences[worst],
        Bound(at_most=config.max_abs_difference),
        next_step=step,
    )


def _difference(wanted: list[float], answer: Any) -> float:
    """Largest absolute difference between one row's predictions; NaN when there is nothing to compare."""
    if not (isinstance(answer, list) and len(answer) == 1):
        return math.nan
    got = _numbers(answer[0])
    if len(wanted) == 1 and len(got) == 2:
        # Both classes of a binary model that was made elsewhere; the evaluation keeps the positive one.
        got = got[1:]
    if len(got) != len(wanted) or not _is_finite(got):
        return math.nan
    return max(abs(float(a) - b) for a, b in zip(got, wanted, strict=True))


def _numbers(answer: Any) -> list[Any]:
    """The predictions of one row; of several outputs the one that the evaluation would take."""
    if isinstance(answer, dict):
        named = next((answer[name] for name in _OUTPUTS if name in answer), None)
        numeric = [value for value in answer.values() if _is_finite(value)]
        answer = named if named is not None else numeric[0] if len(numeric) == 1 else []
    return answer if isinstance(answer, list) else [answer]


def _is_finite(answer: Any) -> bool:
    if isinstance(answer, list):
        return bool(answer) and all(_is_finite(value) for value in answer)
    if isinstance(answer, dict):
        return _is_finite(_numbers(answer))
    return isinstance(answer, int | float) and not isinstance(answer, bool) and math.isfinite(answer)


def _shown(answer: Any) -> str:
    return answer if isinstance(answer, str) else f"{answer!r:.200}"


def _check(rule: str, holds: bool, observed: str, next_step: str) -> Check:
    return Check(
        rule=rule,
        observed=observed,
        verdict=Verdict.PASS if holds else Verdict.FAIL,
        next_step="" if holds else next_step,
    )


def _failed(rule: str, next_step: str) -> Check:
    return Check(rule=rule, verdict=Verdict.FAIL, next_step=next_step)


def _undecided(rule: str, next_step: str) -> Check:
    return Check(rule=rule, verdict=Verdict.UNDECIDED, next_step=next_step)
