"""Sends the model's own rows through the endpoint until the deployed model that is tried has answered each of them.

A request cannot name a deployed model; the answer says which one gave it. An error does not, so a few of them count
against the one that is tried: the other one answered alone before.
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from artifacts.model.names import WARM_UP_ROWS
from artifacts.model.rows import read_rows
from core.decision import Check, Verdict
from core.errors import MlopsError
from mlops.actions.endpoint.deployed import Deployed
from mlops.worlds.vertex.endpoints_api import EndpointsApi

ROWS = 8
_ERRORS = 3
"""So many requests that fail are a failure of the deployed model."""
_PATIENCE = 8
"""A row is sent at most so many times as often as the share of the traffic lets expect."""
_SHOWN = 300


@dataclass
class Smoke:
    """The rows of one version."""

    rows: list[dict[str, Any]]

    @classmethod
    def of(cls, version: Path) -> "Smoke":
        """Read the rows that training stored with a version, in its folder on this machine; none where it has none."""
        path = version / WARM_UP_ROWS
        return cls(read_rows(path, ROWS) if path.is_file() else [])

    def check(self, api: EndpointsApi, model: Deployed) -> Check:
        """Send the rows; the model must have a share of the traffic."""
        rule = f"{len(self.rows)} of the model's own rows are answered with finite numbers by {model.name[:20]}"
        if not self.rows:
            return Check(
                rule="the model's own rows are answered",
                observed=f"the version has no {WARM_UP_ROWS}",
                verdict=Verdict.UNDECIDED,
                next_step="Export the model with the rows that training stores, or give a reason: --override.",
            )
        endpoint = api.read()
        errors: list[str] = []
        sent = 0
        for row in self.rows:
            answered = False
            for _ in range(_most(model.percent)):
                sent += 1
                by, problem = _ask(api, endpoint, row)
                if problem and by in ("", model.id):
                    errors.append(problem)
                if len(errors) >= _ERRORS or (problem and by == model.id):
                    return _failed(rule, f"{errors[-1]} ({len(errors)} of {sent} requests)")
                answered = by == model.id
                if answered:
                    break
            if not answered:
                return _failed(rule, f"none of {sent} requests was answered by it, at {model.percent} % of the traffic")
        return Check(rule=rule, observed=f"all, with {sent} requests", verdict=Verdict.PASS)


def _ask(api: EndpointsApi, endpoint: Any, row: dict[str, Any]) -> tuple[str, str]:
    """Return the id of the deployed model that answered, "" where the answer does not say, and what is wrong."""
    try:
        status, answer = api.predict(endpoint, [row])
    except MlopsError as error:
        return "", str(error)
    if status != 200 or not isinstance(answer, dict):
        return "", f"HTTP {status}: {str(answer)[:_SHOWN]}"
    by, predictions = str(answer.get("deployedModelId", "")), answer.get("predictions")
    if not isinstance(predictions, list) or len(predictions) != 1 or not _is_finite(predictions[0]):
        return by, f"wanted one prediction of finite numbers, got {str(predictions)[:_SHOWN]}"
    return by, ""


def _is_finite(value: Any) -> bool:
    if isinstance(value, dict):
        return bool(value) and all(map(_is_finite, value.values()))
    if isinstance(value, list):
        return bool(value) and all(map(_is_finite, value))
    return isinstance(value, str) or (isinstance(value, (int, float)) and math.isfinite(value))


def _most(percent: int) -> int:
    return math.ceil(_PATIENCE * 100 / max(percent, 1))


def _failed(rule: str, observed: str) -> Check:
    return Check(
        rule=rule,
        observed=observed,
        verdict=Verdict.FAIL,
        next_step="Read the container's log in Cloud Logging; `mlops serve` shows the same answers on this machine.",
    )
