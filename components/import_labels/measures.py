"""Makes one label for each row, and measures agreement, conflicts and delays."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from artifacts.labels.reader import Label, Value
from components.import_labels import agreement
from components.import_labels.aggregation import dawid_skene, majority
from components.import_labels.config import Config
from components.import_labels.reading import KnownRows
from components.import_labels.report import Annotator, Delays, Pair
from components.import_labels.votes import Votes

_DAY_US = 86_400_000_000
_POINTS = 60


@dataclass(frozen=True)
class Combined:
    """One label for each row, and what is known of those who gave them."""

    values: dict[str, Value]
    """Key -> label."""
    alpha: float | None
    pairs: list[Pair] = field(default_factory=list)
    annotators: list[Annotator] = field(default_factory=list)


def combine(config: Config, labels: Sequence[Label], classes: Sequence[Value]) -> Combined:
    """Aggregate labels; gold labels win. Rows with too few annotators are left out, unless gold."""
    truth = {one.key: one.label for one in labels if one.annotator == config.gold_annotator}
    others = [one for one in labels if one.annotator != config.gold_annotator]
    count = Counter(one.key for one in others)
    found = _of_classes(config, others, truth, classes) if classes else _of_numbers(others, truth)
    kept = {key: value for key, value in found.values.items() if key in truth or count[key] >= config.min_annotators}
    return Combined(kept, found.alpha, found.pairs, found.annotators)


def _of_classes(
    config: Config, others: Sequence[Label], truth: Mapping[str, Value], classes: Sequence[Value]
) -> Combined:
    rows = sorted({one.key for one in others} | truth.keys())
    if not rows:
        return Combined({}, None)
    votes = Votes.of(others, classes, rows)
    code = {one: place for place, one in enumerate(classes)}
    gold = np.array([code[truth[key]] if key in truth else -1 for key in rows], np.intp)
    aggregate = majority if config.aggregation == "majority" else dawid_skene
    found = aggregate(votes, gold)
    values = {key: classes[place] for key, place in zip(rows, found.labels, strict=True)}
    given = np.bincount(votes.annotator, minlength=len(votes.annotators))
    annotators = [
        Annotator(
            name=one.annotator,
            labels=int(given[place]),
            gold_questions=one.rows,
            gold_accuracy=one.accuracy,
            confusions=np.round(found.errors[place].T, 6).tolist(),
        )
        for place, one in enumerate(agreement.gold_accuracies(votes, gold))
    ]
    pairs = [Pair(**one._asdict()) for one in agreement.kappas(votes)]
    return Combined(values, agreement.alpha(votes), pairs, annotators)


def _of_numbers(others: Sequence[Label], truth: Mapping[str, Value]) -> Combined:
    of_row: dict[str, list[float]] = defaultdict(list)
    for one in others:
        of_row[one.key].append(float(one.label))
    values: dict[str, Value] = {key: float(np.mean(given)) for key, given in of_row.items()}
    values |= truth
    place = {key: number for number, key in enumerate(of_row)}
    rows = np.array([place[one.key] for one in others], np.intp)
    numbers = np.array([float(one.label) for one in others])
    names = Counter(one.annotator for one in others)
    annotators = [
        Annotator(name=name, labels=count, gold_questions=0, gold_accuracy=None, confusions=[])
        for name, count in sorted(names.items())
    ]
    return Combined(values, agreement.alpha_of_numbers(numbers, rows) if len(rows) else None, [], annotators)


def conflicts(values: Mapping[str, Value], known: KnownRows) -> list[list[str]]:
    """Return the keys of rows that have equal features, but other labels."""
    of_features: dict[str, list[str]] = defaultdict(list)
    for key in sorted(values):
        if key in known.features:
            of_features[known.features[key]].append(key)
    return [keys for keys in of_features.values() if len({values[key] for key in keys}) > 1]


def delays(labels: Sequence[Label], known: KnownRows) -> Delays:
    """Return how long the first label of each row took, from the row's time, or else from the first label of all."""
    first: dict[str, int] = {}
    for one in labels:
        first[one.key] = min(one.time_us, first.get(one.key, one.time_us))
    if not first:
        return Delays(counted_from="first label", days_of_nine_in_ten=None, curve=[])
    start = min(first.values())
    counted_from = "row_time" if known.time_us else "first label"
    days = np.sort([(time - known.time_us.get(key, start)) / _DAY_US for key, time in first.items()])
    places = np.unique(np.linspace(0, len(days) - 1, _POINTS).round().astype(int))
    curve = [(round(float(days[place]), 4), (int(place) + 1) / len(days)) for place in places]
    ninth = float(days[min(int(0.9 * len(days)), len(days) - 1)])
    return Delays(counted_from=counted_from, days_of_nine_in_ten=ninth, curve=curve)
