"""Serves the exported model in a separate process, sends raw rows, and compares predictions with the evaluation's."""

import math
import statistics
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from artifacts.model.features import Features, read_features
from artifacts.model.names import SERVING
from artifacts.predictions import parity
from artifacts.predictions.parity import PARITY, ParityRow
from components.validate_infra.config import Config
from components.validate_infra.explanations import explained
from components.validate_infra.requests import Client, Reply, ServerGone
from components.validate_infra.sent_rows import SentRows
from core import digest
from core.decision import Bound, Check, Decision, Verdict, compare
from core.errors import CorruptArtifact, UsageError
from serving.candidate import CandidateServer
from serving.signature import DEFAULT_SIGNATURE, Field, Signature, described

GATE = "validate_infra"
EXPLAINED_ROWS = 8
"""Most rows to explain, each in its own request."""
_REFUSED_LIST = 3
_MANTISSA_BITS, _LEAST_EXPONENT = 24, -125
"""Of float32: the bits of a number, and the exponent below which its steps do not get smaller."""
_OUTPUTS = ("outputs", "scores", "predictions", "probabilities", "logits", "output_0")
"""Names of the output that is the prediction, where a model has several."""


@dataclass(frozen=True)
class Seen:
    """The server's responses to the rows."""

    sent: SentRows
    startup_seconds: float
    singles: tuple[Any, ...]
    """Per row: the predictions, or the error as text."""
    batch: Any
    """The predictions of all rows in one request, or the error as text."""
    bare: Any
    """The response to a row with its required features alone; None when every feature is required."""
    latencies_ms: tuple[float, ...]
    explanations: tuple[Reply, ...] = ()
    """The responses to requests to explain one row each; empty where none was sent."""


def validate(
    config: Config, model_path: Path | str, evaluation_path: Path | str, decision_path: Path | str
) -> Decision:
    """Check that the exported model can be served, and write the decision; one that cannot fails, without an error."""
    saved_model = Path(model_path) / SERVING
    checks = _checks(config, saved_model, Path(evaluation_path))
    decision = Decision.of(GATE, checks, subject=digest.of_folder(saved_model))
    decision.write(decision_path)
    return decision


def _checks(config: Config, saved_model: Path, evaluation: Path) -> tuple[Check, ...]:
    try:
        features = read_features(saved_model)
        rows = parity.read(evaluation, config.rows)
    except CorruptArtifact as error:
        return (_failed("the exported model's features can be read", str(error)),)
    except (OSError, ValueError, KeyError, TypeError) as error:
        return (
            _undecided(
                "there are evaluated rows to send",
                f"{evaluation / PARITY}: {error}; run evaluate_model again, it writes them",
            ),
        )
    if not rows:
        return (
            _undecided(
                "there are evaluated rows to send",
                f"{evaluation / PARITY} has none: wanted rows without NaN and infinity, which JSON does not have; "
                "correct the eval split, then run evaluate_model again",
            ),
        )
    with tempfile.TemporaryDirectory(prefix="validate-infra-") as scratch:
        server = CandidateServer(saved_model, Path(scratch) / "server.log", config.engine)
        try:
            with server:
                seen = _ask(config, server, rows, features)
        except UsageError as error:
            return (_undecided("the server to test is installed", str(error)),)
        except ServerGone as error:
            return (
                _failed(
                    "the exported model is served by a separate process",
                    f"{error}; the server's log ends with:\n{server.log_tail()}",
                ),
            )
    return checks_of(config, rows, seen)


def _ask(config: Config, server: CandidateServer, rows: list[ParityRow], features: Features | None) -> Seen:
    client = Client(server, config.request_seconds)
    startup = client.await_ready(config.startup_seconds)
    sent = SentRows(features, _takes_examples(client.inputs(), features), config.engine == "tensorflow_serving")
    optional = {feature.name for feature in features.features if not feature.required} if features else set()
    bare = {name: value for name, value in rows[0].instance.items() if name not in optional}
    answers = [client.predict(sent.instances([row.instance])) for row in rows]
    return Seen(
        sent=sent,
        startup_seconds=startup,
        singles=tuple(answer.content for answer in answers),
        batch=client.predict(sent.instances([row.instance for row in rows])).content,
        bare=client.predict(sent.instances([bare])).content if optional else None,
        latencies_ms=tuple(answer.milliseconds for answer in answers),
        explanations=tuple(client.explain(sent.instances([row.instance])) for row in _to_explain(config, rows)),
    )


def _to_explain(config: Config, rows: list[ParityRow]) -> list[ParityRow]:
    return [] if config.explain_latency_ms is None else rows[:EXPLAINED_ROWS]


def _takes_examples(inputs: Mapping[str, str], features: Features | None) -> bool:
    """Whether the model takes tf.Examples, from the server's signature and the model's features."""
    fields = tuple(Field(name, "string" if kind == "DT_STRING" else kind, None) for name, kind in inputs.items())
    return described(Signature(DEFAULT_SIGNATURE, fields, ()), features).takes_examples


def checks_of(config: Config, rows: list[ParityRow], seen: Seen) -> tuple[Check, ...]:
    """Compare the server's responses with the evaluation and the limits, one check each."""
    checks = [
        compare(
            "start-up in seconds",
            seen.startup_seconds,
            Bound(at_most=config.startup_seconds),
            next_step="Make the model or its vocabularies smaller, or raise validate_infra.startup_seconds.",
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
    if config.explain_latency_ms is not None:
        checks += explained(config, seen.explanations)
    return tuple(checks)


def _answered(rows: list[ParityRow], seen: Seen) -> Check:
    refused = [f"row {at}: {_shown(answer)}" for at, answer in enumerate(seen.singles) if not _is_finite(answer)]
    if not _is_finite(seen.batch):
        refused.append(f"all rows in one request: {_shown(seen.batch)}")
    first = next((at for at, answer in enumerate(seen.singles) if not _is_finite(answer)), 0)
    rule = f"{len(rows)} real rows are answered with finite numbers, one by one and in one request"
    return _check(
        rule,
        not refused,
        f"{len(refused)} refused" if refused else "all",
        f"The server answered: {'; '.join(refused[:_REFUSED_LIST])}; {seen.sent.shown(rows[first].instance)}.",
    )


def _same_numbers(config: Config, rows: list[ParityRow], seen: Seen) -> Check:
    batch = seen.batch if isinstance(seen.batch, list) and len(seen.batch) == len(rows) else [[math.nan]] * len(rows)
    answers = [*seen.singles, *([answer] for answer in batch)]
    typical = statistics.median(_size(row.predictions) for row in rows)
    steps = [
        _steps(config, row.predictions, answer, typical) for row, answer in zip([*rows, *rows], answers, strict=True)
    ]
    worst = max(range(len(steps)), key=lambda at: math.inf if math.isnan(steps[at]) else steps[at])
    at = worst % len(rows)
    alone = "alone" if worst < len(rows) else "with all others in one request"
    next_step = (
        f"Row {at} of {PARITY}, served {alone}: wanted {rows[at].predictions} as in the evaluation, "
        f"got {_shown(answers[worst])}; {seen.sent.shown(rows[at].instance)}. "
        "A difference that float32 explains is allowed by validate_infra.max_float32_steps."
    )
    return compare(
        "largest difference to the evaluation, in steps of float32 at the prediction's size",
        steps[worst],
        Bound(at_most=config.max_float32_steps),
        next_step=next_step,
    )


def _steps(config: Config, wanted: Sequence[float | None], answer: Any, typical: float) -> float:
    """Return the largest difference of a row above the absolute limit, in steps of float32; NaN without a comparison.

    The steps are those at the row's largest prediction or at the typical one, whichever is larger: a sum that ends near
    zero was rounded at the size of its parts.
    """
    if not (isinstance(answer, list) and len(answer) == 1):
        return math.nan
    got = _numbers(answer[0])
    if len(wanted) == 1 and len(got) == 2:
        # A `run_fn` may export both classes of a binary model; the evaluation has the positive one.
        got = got[1:]
    if len(got) != len(wanted) or not _is_finite(got) or not _is_finite(list(wanted)):
        return math.nan
    apart = max(abs(float(a) - float(b or 0.0)) for a, b in zip(got, wanted, strict=True))
    return max(0.0, apart - config.max_abs_difference) / _float32_step(max(_size(wanted), typical))


def _size(predictions: Sequence[float | None]) -> float:
    return max((abs(value) for value in predictions if value is not None), default=0.0)


def _float32_step(size: float) -> float:
    """Return the distance between a float32 and the next larger one."""
    return math.ldexp(1.0, max(math.frexp(size)[1], _LEAST_EXPONENT) - _MANTISSA_BITS)


def _numbers(answer: Any) -> list[Any]:
    """Return the predictions of one row; of several outputs, the one that the evaluation uses."""
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
