"""Labels of people, measured: how many active learning saves, and how long Dawid and Skene's model takes.

    python -m benchmarks.people [--usecase spam] [--seeds 10] [--crowd-kit FOLDER]

`--crowd-kit` names a folder with crowd-kit 1.4.2 (`uv pip install --no-deps --target FOLDER crowd-kit==1.4.2`), which
then aggregates the same labels in the same process.
"""

import argparse
import os
import sys
import time
import types
from pathlib import Path
from typing import Any

import numpy as np

from components.import_labels.aggregation import dawid_skene
from components.import_labels.votes import Places, Votes
from core.store import Store
from mlops.actions.labeling.curve import Curve, known, measure
from mlops.actions.labeling.rows import load_rows
from mlops.actions.labeling.strategies import STRATEGIES
from pipelines.config import find, load

GOAL_SHARE, GOAL_SECONDS = 0.6, 0.5
ROWS, ANNOTATORS, CLASSES, OVERLAP = 5000, 50, 5, 5
STEP = 20


def main() -> None:
    """Print both measurements, each with its goal."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--usecase", default="spam")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--labels", type=int, default=300, help="labels at the end of a strategy's curve")
    parser.add_argument("--strategy", default="margin", choices=STRATEGIES)
    parser.add_argument("--crowd-kit", default="")
    asked = parser.parse_args()
    _aggregation(asked.crowd_kit)
    _active_learning(asked)


def _active_learning(asked: argparse.Namespace) -> None:
    rows = known(load_rows(load(find(asked.usecase)), Store.of(os.environ)))
    fine = range(STEP, asked.labels + 1, STEP)
    curve = measure(rows, asked.strategy, fine, asked.seeds)
    for accuracy in (0.90, 0.92, 0.94, 0.95):
        chosen, random = (curve.labels_to(name, accuracy) for name in (asked.strategy, "random"))
        print(f"{asked.usecase} to accuracy {accuracy:.2f}: {asked.strategy} {_said(chosen, curve)}, ", end="")
        print(f"random {_said(random, curve)}; {_share(chosen, random, curve)}")


def _said(labels: int | None, curve: Curve) -> str:
    return f"more than {curve.labels[-1]} labels" if labels is None else f"{labels} labels"


def _share(chosen: int | None, random: int | None, curve: Curve) -> str:
    if chosen is None:
        return "not reached"
    share = chosen / (random or curve.labels[-1])
    holds = "reached" if share <= GOAL_SHARE else "missed"
    return f"{'' if random else 'less than '}{share:.0%} of random's labels (goal {GOAL_SHARE:.0%}: {holds})"


def _aggregation(crowd_kit: str) -> None:
    random = np.random.default_rng(9)
    truth = random.integers(0, CLASSES, ROWS)
    skill = random.uniform(0.45, 0.95, ANNOTATORS)
    row = np.repeat(np.arange(ROWS), OVERLAP)
    annotator = np.concatenate([random.choice(ANNOTATORS, OVERLAP, replace=False) for _ in range(ROWS)])
    right = random.random(len(row)) < skill[annotator]
    label = np.where(right, truth[row], random.integers(0, CLASSES, len(row)))
    votes = Votes(row, annotator, label, _names(ROWS), _names(ANNOTATORS), tuple(range(CLASSES)))
    start = time.process_time()
    found = dawid_skene(votes)
    seconds = time.process_time() - start
    holds = "reached" if seconds <= GOAL_SECONDS else "missed"
    print(f"Dawid-Skene, {len(row):,} labels: {seconds:.3f} CPU seconds (goal {GOAL_SECONDS:g}: {holds})")
    if crowd_kit:
        theirs, seconds = _crowd_kit(crowd_kit, row, annotator, label)
        difference = np.abs(theirs - found.probabilities).max()
        print(f"crowd-kit, the same labels: {seconds:.3f} CPU seconds; largest difference {difference:.1e}")


def _names(count: int) -> tuple[str, ...]:
    return tuple(map(str, range(count)))


def _crowd_kit(folder: str, row: Places, annotator: Places, label: Places) -> tuple[Any, float]:
    """Aggregate with crowd-kit; of its packages only the one that is measured is imported, which needs no others."""
    import pandas as pd

    sys.path.insert(0, folder)
    for name in ("crowdkit", "crowdkit.aggregation"):
        package = types.ModuleType(name)
        package.__path__ = [str(Path(folder, *name.split(".")))]
        sys.modules[name] = package
    from crowdkit.aggregation.classification.dawid_skene import DawidSkene  # type: ignore[import-not-found]

    votes = pd.DataFrame({"task": row, "worker": annotator, "label": label})
    start = time.process_time()
    fitted = DawidSkene(n_iter=100).fit(votes)
    seconds = time.process_time() - start
    return fitted.probas_.reindex(range(ROWS))[list(range(CLASSES))].to_numpy(), seconds


if __name__ == "__main__":
    main()
