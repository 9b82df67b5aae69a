"""Draws an inference: how many rows which version predicted, and how the predictions are distributed."""

from collections import Counter
from collections.abc import Sequence

from artifacts.inference.manifest import InferenceManifest
from core import pictures
from core.decision import Check, Verdict
from core.pictures import Markup

_BINS = 40


def draw(manifest: InferenceManifest, checks: Sequence[Check]) -> Markup:
    """Draw counts, the version and a histogram for each column of numbers; the checks that did not pass come first."""
    parts: list[str] = []
    closed = [check for check in checks if check.verdict is not Verdict.PASS]
    if closed:
        rows = [[pictures.verdict(check.verdict), check.rule, check.observed, check.next_step] for check in closed]
        parts.append(pictures.table(["", "rule", "observed", "next step"], rows))
    facts: list[list[str | float | None]] = [
        ["model", manifest.model],
        ["version", manifest.model_version],
        ["digest", manifest.model_digest],
        ["signature", manifest.signature],
        ["rows", manifest.rows],
        ["files of each output", len(manifest.shards)],
    ]
    parts.append(pictures.table(["", ""], facts))
    classes: Counter[str] = Counter()
    for shard in manifest.shards:
        classes.update(shard.classes)
    if classes:
        counted: list[list[str | float | None]] = [
            [name, count, count / manifest.rows] for name, count in classes.most_common()
        ]
        parts.append(pictures.table(["predicted class", "rows", "share"], counted))
    for column in dict.fromkeys(name for shard in manifest.shards for name in shard.quantiles):
        parts.append(_histogram(manifest, column))
    return pictures.fragment("Predictions", *parts)


def _histogram(manifest: InferenceManifest, column: str) -> Markup:
    points: list[float] = []
    weights: list[float] = []
    for shard in manifest.shards:
        quantiles = shard.quantiles.get(column, ())
        points += quantiles
        weights += [shard.rows / len(quantiles)] * len(quantiles)
    if not points:
        return pictures.muted(f"{column} has no finite number")
    low, high = min(points), max(points)
    if low >= 0 and high <= 1:
        low, high = 0.0, 1.0
    with pictures.figure(6.0, 2.6) as figure:
        axes = figure.subplots()
        axes.hist(points, bins=_BINS, range=(low, high), weights=weights)
        axes.set_xlabel(column)
        axes.set_ylabel("rows")
        axes.set_title(f"{column} of {manifest.rows:,} rows, from the quantiles of each file")
        return pictures.svg(figure, f"histogram of {column}")
