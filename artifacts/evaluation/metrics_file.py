"""`metrics.json`: every number of an evaluation for machines; a number that is not defined is null."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from artifacts.evaluation.measured import Measured, Slice
from artifacts.evaluation.measures import CHAMPION, Measures
from artifacts.evaluation.scored_rows import ScoredRows
from core import durable
from core.errors import CorruptArtifact
from problems import kind

METRICS = "metrics.json"
TFMA = "tfma"
"""The folder with TFMA's own output."""


def content(measures: Measures, scored: ScoredRows, measured: Measured, champion: str) -> dict[str, Any]:
    """Lay an evaluation out; `champion` is its reference, empty when there is none."""
    overall = measured.overall
    problem = kind(measures.task)
    numbers: dict[str, Any] = {
        "version": 1,
        "task": measures.task,
        "label": measures.label,
        "examples": len(scored.labels),
        "skill": {"name": problem.skill_name, "candidate": measured.candidate_skill},
        "overall": {
            "candidate": overall.candidate if overall else {},
            "champion": overall.champion if overall else None,
        },
        "champion": {"reference": champion, "fault": measured.champion_fault} if champion else None,
        "comparisons": [
            {
                "name": "champion" if one.name == CHAMPION else one.name,
                "skill": one.skill,
                "gain": one.gain._asdict(),
                "confidence": measures.confidence,
            }
            for one in measured.comparisons
        ],
        "slices": [_slice(item) for item in measured.slices if item.key],
    }
    if scored.classes and measured.classes:
        numbers["classes"] = [one._asdict() for one in measured.classes]
    numbers["output"] = dict(scored.notes)
    return numbers


def _slice(item: Slice) -> dict[str, Any]:
    return {"slice": dict(item.key), "examples": item.examples, "candidate": item.candidate, "champion": item.champion}


def write(folder: Path, numbers: Mapping[str, Any]) -> None:
    """Write the file atomically."""
    text = json.dumps(_finite(dict(numbers)), indent=2, allow_nan=False) + "\n"
    durable.replace(folder / METRICS, text.encode())


def read(folder: Path) -> dict[str, Any]:
    """Read an evaluation back; CorruptArtifact when the file is missing or is not one."""
    path = folder / METRICS
    try:
        numbers = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise CorruptArtifact(
            f"{path}: wanted an evaluation's numbers, got {error}; run evaluate_model again"
        ) from error
    if not isinstance(numbers, dict) or numbers.get("version") != 1:
        raise CorruptArtifact(f"{path}: wanted an evaluation's numbers of version 1; run evaluate_model again")
    return numbers


def _finite(value: Any) -> Any:
    """Put null where a number is not one: JSON has no NaN."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
