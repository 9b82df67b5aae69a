"""Combines votes to probabilities by the label model and by majority vote, and compares the two on the gold rows."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from components.label_examples.config import Config
from components.label_examples.reading import Voted
from problems import kind
from problems.kind import Gain
from problems.labeling import label_model
from problems.labeling.label_model import FitSettings, LabelModel
from problems.labeling.majority import majority
from problems.labeling.twins import twins
from problems.labeling.votes import ABSTAIN, Probabilities, Votes

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Gold:
    """The gold rows: votes [rows, functions] and classes [rows]."""

    votes: Votes
    classes: NDArray[np.int64]

    @classmethod
    def of(cls, voted: Voted) -> "Gold":
        """Take the rows that have a label."""
        has_label = voted.given != ABSTAIN
        return cls(voted.votes[has_label], voted.given[has_label])


@dataclass(frozen=True)
class Combined:
    """How votes become probabilities, and how good that is on the gold rows."""

    method: Literal["label_model", "majority"]
    balance: NDArray[np.float64]
    twins: list[tuple[int, ...]]
    counted: list[int]
    """The functions whose votes count; of merged twins, only the first."""
    model: LabelModel | None
    """Fitted for majority vote, too, as it shows what functions are wrong; None for fewer than three functions."""
    skills: dict[str, float]
    """AUC or accuracy on the gold rows by method; NaN where it is undefined."""
    accuracies: dict[str, float]
    """Share of gold rows with the right class, by method; a tie counts in part."""
    gain: Gain | None
    """The label model's skill minus majority vote's, with a confidence interval; None without one of them."""

    def probabilities(self, votes: Votes, method: str = "") -> Probabilities:
        """Return the probability of each class, [rows, classes], by the chosen method or by another."""
        own = votes[:, self.counted]
        if (method or self.method) == "majority" or self.model is None:
            return majority(own, self.balance)
        return self.model.predict(own)

    def weights(self, functions: int) -> list[float | None]:
        """Return the learned accuracy of each function, None for those that the label model did not get."""
        found: list[float | None] = [None] * functions
        if self.model is not None:
            for function, weight in zip(self.counted, self.model.weights.tolist(), strict=True):
                found[function] = weight
        return found


def combine(config: Config, votes: Votes, gold: Gold, balance: NDArray[np.float64]) -> Combined:
    """Fit the label model on votes [rows, functions], measure it and majority vote on the gold rows, and choose.

    Raises LabelingError when the label model cannot be fitted.
    """
    groups = twins(votes, config.twin_share)
    merged = {member for group in groups for member in group[1:]} if config.twins == "merge" else set()
    counted = [function for function in range(votes.shape[1]) if function not in merged]
    model = None
    if config.method != "majority" or len(counted) >= label_model.FEWEST_FUNCTIONS:
        settings = FitSettings(
            epochs=config.label_model.epochs,
            learning_rate=config.label_model.learning_rate,
            l2=config.label_model.l2,
            precision=config.label_model.precision,
            seed=config.label_model.seed,
        )
        model = label_model.fit(votes[:, counted], balance, settings)
    found = Combined("majority", balance, groups, counted, model, {}, {}, None)
    methods = ("majority",) if model is None else ("label_model", "majority")
    answers = {method: found.probabilities(gold.votes, method) for method in methods}
    skills = {method: _skill(config, gold.classes, answer) for method, answer in answers.items()}
    gain = None if model is None else _gain(config, gold.classes, answers)
    is_better = model is not None and not skills["label_model"] < skills["majority"]  # NaN is no reason against it
    method: Literal["label_model", "majority"] = (
        "label_model" if config.method == "label_model" or (config.method == "auto" and is_better) else "majority"
    )
    accuracies = {name: accuracy(gold.classes, answer) for name, answer in answers.items()}
    return Combined(method, balance, groups, counted, model, skills, accuracies, gain)


def accuracy(classes: NDArray[np.int64], answers: Probabilities) -> float:
    """Return the share of rows with the right class; of tied classes each counts in part. NaN without rows."""
    if not len(classes):
        return float("nan")
    is_highest = np.isclose(answers, answers.max(axis=1, keepdims=True), rtol=0, atol=1e-9)
    right = is_highest[np.arange(len(classes)), classes] / is_highest.sum(axis=1)
    return float(right.mean())


def _scores(config: Config, answers: Probabilities) -> NDArray[np.float64]:
    return answers[:, 1] if kind(config.task).gives_one_score else answers


def _skill(config: Config, classes: NDArray[np.int64], answers: Probabilities) -> float:
    if not len(classes):
        return float("nan")
    return kind(config.task).skill(classes.astype(np.float64), _scores(config, answers))


def _gain(config: Config, classes: NDArray[np.int64], answers: dict[str, Probabilities]) -> Gain | None:
    if not len(classes):
        return None
    ours, theirs = (_scores(config, answers[name]) for name in ("label_model", "majority"))
    return kind(config.task).gain(classes.astype(np.float64), ours, theirs, CONFIDENCE)
