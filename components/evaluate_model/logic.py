"""Judge a candidate on the eval split and write down everything that the verdict rests on."""

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from artifacts.schema.schema_file import read_schema
from components.evaluate_model import parity
from components.evaluate_model.config import Config
from components.evaluate_model.eval_config import CHAMPION, computations, eval_config
from components.evaluate_model.gate import decide
from components.evaluate_model.judged import Examples, Rivals, judge
from components.evaluate_model.measured import Measured, Slice, measure, primary
from components.evaluate_model.pictures import draw
from components.evaluate_model.predictor import Predictor, saved_model
from core import digest, user_code
from core.backends.registry import find
from core.decision import Decision


@dataclass(frozen=True)
class Inputs:
    """What is judged, as the stage gets it."""

    schema: str
    """Reference of the curated schema, `path@digest`."""
    examples: Path | str
    model: Path | str
    champion: str = ""
    """`<version>@<digest>`; empty when nothing is in production."""
    registry: str = ""


@dataclass(frozen=True)
class Outputs:
    """Where the evaluation folder, the decision and the pictures go."""

    evaluation: Path | str
    decision: Path | str
    pictures: Path | str
    log_metric: Callable[[str, float], None]
    """Takes each number that a dashboard shows."""


def evaluate(config: Config, inputs: Inputs, outputs: Outputs) -> Decision:
    """Predict, measure, decide and write; a model that is not good enough is an outcome, not an error.

    Raises DataError or CorruptArtifact for examples that cannot be trusted, RegistryError for a champion that is not there,
    MlopsError for a model that does not take serialized tf.Examples.
    """
    computations(
        eval_config(config, with_champion=bool(inputs.champion), plots=True)
    )  # a metric that TFMA cannot make is said before anything is predicted
    folder = Path(outputs.evaluation)
    folder.mkdir(parents=True, exist_ok=True)
    examples = Examples(Path(inputs.examples), read_schema(user_code.resolve(inputs.schema)), config.label)
    champion = find(inputs.registry, inputs.champion) if inputs.champion else None
    candidate = saved_model(Path(inputs.model))
    rivals = Rivals(
        Predictor(candidate, config.task),
        Predictor(champion.path, config.task) if champion else None,
    )
    judged = judge(config, examples, rivals)
    measured = measure(config, judged, folder / "tfma")
    decision = decide(config, measured, inputs.champion, digest.of_folder(candidate))
    parity.write(folder / "parity.jsonl", judged.parity)
    _write_json(folder / "metrics.json", report(config, measured, inputs.champion, len(judged.labels)))
    draw(config, judged, measured, decision, outputs.pictures)
    for name, value in _dashboard(measured, decision).items():
        outputs.log_metric(name, value)
    decision.write(outputs.decision)
    return decision


def report(config: Config, measured: Measured, champion: str, examples: int) -> dict[str, Any]:
    """Lay every number out for machines; a number that is not defined is null."""
    overall = measured.overall
    return {
        "version": 1,
        "task": config.task,
        "label": config.label,
        "examples": examples,
        "skill": {"name": primary(config), "candidate": measured.candidate_skill},
        "overall": {
            "candidate": overall.candidate if overall else {},
            "champion": overall.champion if overall else None,
        },
        "champion": {"reference": champion, "fault": measured.champion_fault} if champion else None,
        "rivals": [
            {
                "name": "champion" if rival.name == CHAMPION else rival.name,
                "skill": rival.skill,
                "gain": rival.gain._asdict(),
                "confidence": config.confidence,
            }
            for rival in measured.rivals
        ],
        "slices": [_slice(item) for item in measured.slices if item.key],
        "feature_skill": dict(measured.feature_skill),
        "faults": list(measured.faults),
    }


def _slice(item: Slice) -> dict[str, Any]:
    return {"slice": dict(item.key), "examples": item.examples, "candidate": item.candidate, "champion": item.champion}


def _dashboard(measured: Measured, decision: Decision) -> dict[str, float]:
    """Choose what a dashboard can show: finite numbers of the candidate as a whole, the champion's beside them."""
    overall = measured.overall
    numbers = dict(overall.candidate) if overall else {}
    if overall and overall.champion:
        numbers |= {f"champion_{name}": value for name, value in overall.champion.items() if name != "example_count"}
    numbers |= {
        f"gain_over_{'champion' if rival.name == CHAMPION else rival.name}": rival.gain.value
        for rival in measured.rivals
    }
    return {name: round(value, 6) for name, value in numbers.items() if math.isfinite(value)} | {
        "blessed": float(decision.is_open)
    }


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(_finite(content), indent=2, allow_nan=False) + "\n", encoding="utf-8")


def _finite(value: Any) -> Any:
    """Put null where a number is not one: JSON has no NaN."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
