"""`metrics.json`: every number of an evaluation; an undefined number is null."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from artifacts.evaluation.spec import CHAMPION, EvaluationSpec
from core import durable
from core.errors import CorruptArtifact
from problems import kind

if TYPE_CHECKING:  # they import TensorFlow, and who reads the file needs none
    from artifacts.evaluation.result import EvaluationResult, Slice
    from artifacts.evaluation.scored_rows import ScoredRows

METRICS = "metrics.json"
TFMA = "tfma"
"""Folder of TFMA's output."""


def content(spec: EvaluationSpec, scored: "ScoredRows", result: "EvaluationResult", champion: str) -> dict[str, Any]:
    """Return the content of the file; `champion` is the champion's reference, "" when there is none."""
    overall = result.overall
    problem = kind(spec.task)
    numbers: dict[str, Any] = {
        "version": 1,
        "task": spec.task,
        "label": spec.label,
        "examples": scored.rows,
        "skill": {"name": problem.skill_name, "candidate": result.candidate_skill},
        "overall": {
            "candidate": overall.candidate if overall else {},
            "champion": overall.champion if overall else None,
        },
        "champion": {"reference": champion, "fault": result.champion_fault} if champion else None,
        "comparisons": [
            {
                "name": "champion" if one.name == CHAMPION else one.name,
                "skill": one.skill,
                "gain": one.gain._asdict(),
                "confidence": spec.confidence,
            }
            for one in result.comparisons
        ],
        "slices": [_slice(item) for item in result.slices if item.key],
    }
    if scored.classes and result.classes:
        numbers["classes"] = [one._asdict() for one in result.classes]
    numbers["output"] = dict(scored.notes)
    if scored.population is not None and scored.is_sample:
        numbers["sample"] = {"rows": scored.population.sampled, "of": scored.rows, "seed": scored.population.seed}
    return numbers


def _slice(item: "Slice") -> dict[str, Any]:
    return {"slice": dict(item.key), "examples": item.examples, "candidate": item.candidate, "champion": item.champion}


def write(folder: Path, numbers: Mapping[str, Any]) -> None:
    """Write the file atomically."""
    text = json.dumps(_finite(dict(numbers)), indent=2, allow_nan=False) + "\n"
    durable.replace(folder / METRICS, text.encode())


def read(folder: Path) -> dict[str, Any]:
    """Read the file; CorruptArtifact when it is missing or has other content."""
    path = folder / METRICS
    try:
        numbers = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise CorruptArtifact(
            f"{path}: wanted the metrics of an evaluation, got {error}; run evaluate_model again"
        ) from error
    if not isinstance(numbers, dict) or numbers.get("version") != 1:
        raise CorruptArtifact(f"{path}: wanted the metrics of an evaluation, version 1; run evaluate_model again")
    return numbers


def _finite(value: Any) -> Any:
    """Replace NaN and infinity by None, because JSON has neither."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
