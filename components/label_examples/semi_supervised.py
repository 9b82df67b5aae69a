"""Labels rows by a few gold rows and the likeness of rows: self-training, and label spreading.

Either can make things worse than learning from the gold rows alone, so both are measured on gold rows that were held
out, and the labels are refused unless they are better.
"""

import warnings
from dataclasses import dataclass
from typing import Any

import pyarrow_hotfix  # noqa: F401
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.semi_supervised import LabelSpreading, SelfTrainingClassifier

from components.label_examples.classes import LabelClasses
from components.label_examples.config import Config
from components.label_examples.features import matrix
from components.label_examples.reading import Source
from core.decision import Check, Verdict
from core.errors import LabelingError
from problems import kind
from problems.labeling.votes import ABSTAIN, Probabilities

FOLDS = 5
NEIGHBORS = 7
_UNLABELED = -1
"""scikit-learn's mark of a row without a label."""


@dataclass(frozen=True)
class Spread:
    """The labels of the splits, and how good the method is on gold rows that it had not seen."""

    probabilities: dict[str, Probabilities]
    supervised: float
    """Skill of a model of the gold rows alone."""
    reached: float
    """Skill with the other rows."""
    gold_rows: int


def spread(config: Config, source: Source, classes: LabelClasses) -> Spread:
    """Label the splits by the gold rows.

    Raises LabelingError for fewer gold rows of a class than there are folds.
    """
    batches: list[pa.RecordBatch] = []
    sizes = {}
    given: list[NDArray[np.int64]] = []
    for split in (config.gold_split, *config.splits):
        own = [batch for shard in source.manifest.of_split(split) for batch in source.batches(shard)]
        batches += [source.visible(batch) for batch in own]
        sizes[split] = sum(batch.num_rows for batch in own)
        if split == config.gold_split:
            given = [classes.given(batch) for batch in own]
    gold = np.concatenate(given)
    labels = np.full(sum(sizes.values()), _UNLABELED, np.int64)
    labels[: len(gold)] = np.where(gold == ABSTAIN, _UNLABELED, gold)
    _check_folds(labels, classes)
    found = _Method(config, matrix(batches), labels, len(classes.names))
    supervised, reached = found.compared()
    answers = found.answers(labels, found.model())
    ends = np.cumsum(list(sizes.values()))
    by_split = dict(zip(sizes, np.split(answers, ends[:-1]), strict=True))
    del by_split[config.gold_split]
    return Spread(by_split, supervised, reached, int((gold != ABSTAIN).sum()))


def check(config: Config, found: Spread) -> tuple[Check, ...]:
    """Return the checks of the gate: enough gold rows, and labels that are better than those of gold rows alone."""
    enough = found.gold_rows >= config.min_gold
    is_better = found.reached > found.supervised
    name = kind(config.task).skill_name
    return (
        Check(
            rule=f"at least {config.min_gold} gold rows",
            threshold=float(config.min_gold),
            observed=float(found.gold_rows),
            verdict=Verdict.PASS if enough else Verdict.UNDECIDED,
            next_step="" if enough else f"label more rows of the split {config.gold_split}",
        ),
        Check(
            rule=f"{name} of {config.method} on gold rows is above that of the gold rows alone, {found.supervised:.4g}",
            threshold=found.supervised,
            observed=found.reached,
            verdict=Verdict.PASS if is_better else Verdict.FAIL,
            next_step=""
            if is_better
            else f"{config.method} makes labels worse here: train on the gold rows alone, label more rows, or write "
            "labeling functions",
        ),
    )


def _check_folds(labels: NDArray[np.int64], classes: LabelClasses) -> None:
    counts = np.bincount(labels[labels != _UNLABELED], minlength=len(classes.names))
    few = [f"{name} ({count})" for name, count in zip(classes.names, counts.tolist(), strict=True) if count < FOLDS]
    if few:
        raise LabelingError(
            f"label_examples: wanted at least {FOLDS} gold rows of every class to measure by, got fewer of "
            f"{', '.join(few)}; label more rows"
        )


@dataclass(frozen=True)
class _Method:
    """A method on one matrix of rows."""

    config: Config
    rows: Any
    """[rows, features]"""
    labels: NDArray[np.int64]
    classes: int

    def model(self) -> Any:
        """Return the configured estimator, not fitted."""
        if self.config.method == "label_spreading":
            return LabelSpreading(kernel="knn", n_neighbors=NEIGHBORS)
        return SelfTrainingClassifier(_regression())

    def answers(self, labels: NDArray[np.int64], model: Any) -> Probabilities:
        """Fit a model on the rows with these labels, and return the probabilities of all rows, [rows, classes]."""
        is_supervised = isinstance(model, LogisticRegression)
        known = np.flatnonzero(labels != _UNLABELED) if is_supervised else np.arange(len(labels))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            warnings.simplefilter("ignore", RuntimeWarning)  # label spreading divides by 0 where no label reaches
            model.fit(self.rows[known], labels[known])
            answered = model.predict_proba(self.rows)
        found = np.zeros((len(labels), self.classes))
        found[:, model.classes_] = np.nan_to_num(answered)
        totals = found.sum(axis=1, keepdims=True)
        return np.where(totals > 0, found / np.maximum(totals, 1e-12), 1 / self.classes)

    def compared(self) -> tuple[float, float]:
        """Return the skills of the gold rows alone and of the method, each on gold rows of other folds."""
        gold = np.flatnonzero(self.labels != _UNLABELED)
        truth = self.labels[gold]
        answers = {name: np.zeros((len(gold), self.classes)) for name in ("alone", "method")}
        folds = StratifiedKFold(FOLDS, shuffle=True, random_state=self.config.seed)
        for _, held_out in folds.split(gold, truth):
            labels = self.labels.copy()
            labels[gold[held_out]] = _UNLABELED
            answers["alone"][held_out] = self.answers(labels, _regression())[gold[held_out]]
            answers["method"][held_out] = self.answers(labels, self.model())[gold[held_out]]
        problem = kind(self.config.task)
        skills = []
        for found in answers.values():
            scores = found[:, 1] if problem.gives_one_score else found
            skills.append(problem.skill(truth.astype(np.float64), scores))
        return skills[0], skills[1]


def _regression() -> LogisticRegression:
    return LogisticRegression(C=10, max_iter=300)
