"""Collects what was computed into the summary of explanations."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from artifacts.explanations.explained import Explained
from artifacts.explanations.shapley import mean_absolute
from artifacts.explanations.summary import ExplainedRow, ExplanationsSummary, FeatureImportance, WordImportance
from components.explain_model.importance import Samples
from components.explain_model.rows import EvalRows
from problems import kind

_WORDS = 30
_LEAST_ROWS = 3
"""Rows that a word must be in."""
_TEXT = 200
"""Most characters of a value that are kept."""


def summarize(
    rows: EvalRows, samples: Samples, lost: Mapping[str, float], worst: Sequence[Explained], subject: str
) -> ExplanationsSummary:
    """Return the summary; features are in the order of their importance."""
    importance = mean_absolute(samples.values) if samples.explained else np.zeros(len(rows.features.features))
    total = float(importance.sum()) or 1.0
    features = [
        FeatureImportance(name=name, shapley=value, share=value / total, permutation=lost.get(name))
        for name, value in zip(rows.features.by_name, importance.tolist(), strict=True)
    ]
    stability = samples.stability
    numbers = rows.worst(len(worst))
    return ExplanationsSummary(
        subject=subject,
        rows=len(samples.explained),
        background=samples.background,
        evaluations=sum(one.evaluations for one in samples.explained),
        skill=kind(rows.label.task).skill_name,
        residual=_largest([samples.residual, *(one.residual for one in worst)]),
        stability=None if stability is None or not np.isfinite(stability) else stability,
        features=tuple(sorted(features, key=lambda one: -one.shapley)),
        words=_words(samples),
        worst=tuple(_row(rows, number, one) for number, one in zip(numbers, worst, strict=True)),
    )


def _largest(residuals: Sequence[float]) -> float | None:
    """Return the largest; None when one is not a number."""
    largest = float(np.max(residuals))
    return largest if np.isfinite(largest) else None


def _words(samples: Samples) -> dict[str, tuple[WordImportance, ...]]:
    """Return the words with the largest mean part of each text, among those that several rows have."""
    found: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for one in samples.explained:
        for name, words in one.words.items():
            of_row: dict[str, float] = defaultdict(float)
            for word, value in words:
                of_row[word.casefold()] += value
            for word, value in of_row.items():
                found[name][word].append(value)
    kept = {}
    for name, by_word in found.items():
        several = {word: values for word, values in by_word.items() if len(values) >= _LEAST_ROWS}
        ranked = sorted(several, key=lambda word: -abs(float(np.mean(several[word]))))[:_WORDS]
        kept[name] = tuple(
            WordImportance(word=word, rows=len(several[word]), mean=float(np.mean(several[word]))) for word in ranked
        )
    return kept


def _row(rows: EvalRows, number: int, one: Explained) -> ExplainedRow:
    return ExplainedRow(
        row=number,
        label=rows.described_label(number),
        prediction=rows.described_prediction(number),
        output=one.class_name,
        score=one.prediction,
        base=one.base,
        attributions=dict(one.attributions),
        residual=one.residual,
        values={name: shown(value) for name, value in rows.values(number).items()},
        words=dict(one.words),
        cells={name: tuple(map(tuple, cells.tolist())) for name, cells in one.cells.items()},
    )


def shown(value: Any) -> str:
    """Return a feature's value as a short text."""
    if value is None:
        return "missing"
    if isinstance(value, list):
        return f"{', '.join(shown(one) for one in value[:8])}{', …' if len(value) > 8 else ''}"
    if isinstance(value, bytes):
        text = value[: 4 * _TEXT].decode("utf-8", "replace")
        return f"{len(value):,} bytes" if "\ufffd" in text else text if len(text) <= _TEXT else f"{text[: _TEXT - 1]}…"
    return f"{value:.6g}"
