"""Trains on each span alone, and compares the newest with the older ones on the span that evaluates."""

from typing import Any

from artifacts.examples.manifest import ExamplesManifest
from core.errors import MlopsError
from mlops.actions.scoring.measuring.bench import Bench
from problems import kind

CONFIDENCE = 0.95


def measure(bench: Bench) -> dict[str, Any]:
    """Return the skill that is lost by age, in spans, against a model of the newest span."""
    manifest = ExamplesManifest.read(bench.examples)
    trained = sorted({shard.span for shard in manifest.of_split("train")}, reverse=True)
    evaluated = {shard.span for shard in manifest.of_split("eval")}
    if len(trained) < 2 or not all(span < min(evaluated) for span in trained):
        raise MlopsError(
            f"wanted two spans or more before the one that evaluates, got {len(trained)}; widen ingest_examples.window "
            "and split by time"
        )
    problem = kind(bench.subject.usecase.problem.task)
    predictions = {span: bench.train(bench.opened((span,))).predictions for span in trained}
    newest = predictions[trained[0]]
    losses = []
    for span in trained[1:]:
        low, value, high = problem.gain(
            newest.labels, newest.scores, predictions[span].scores, CONFIDENCE, newest.weights
        )
        losses.append({"age": min(evaluated) - span, "value": value, "low": low, "high": high})
    skills = {
        str(min(evaluated) - span): problem.skill(one.labels, one.scores, one.weights)
        for span, one in predictions.items()
    }
    return {"skill": problem.skill_name, "skill_by_age": skills, "losses": losses}
