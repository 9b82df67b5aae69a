"""What scoring some rows gives, and the rows of an evaluation that several such parts make."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from artifacts.evaluation.columns import Values, Vocabulary
from artifacts.evaluation.scored_rows import ScoredRows
from artifacts.evaluation.slices import Column
from artifacts.evaluation.spec import CANDIDATE, CHAMPION
from artifacts.predictions.parity import ParityRow
from components.evaluate_model.baselines import Method
from components.evaluate_model.champion import reorder_classes
from components.evaluate_model.champion_scores import ChampionPart
from components.evaluate_model.leak import FeatureSkill
from components.evaluate_model.mistakes import Mistake, Mistakes
from problems import kind
from problems.kind import Scores
from problems.labels import TrainedLabel
from problems.scores import OutputFacts

LABEL, WEIGHT = "label", "weight"
"""Names among the values of a part."""


class ScoredPart(NamedTuple):
    """What scoring some rows gave; of several parts, in order, `combined` makes the rows of an evaluation."""

    values: dict[str, Values]
    """Raw output of each model, prediction of each baseline, label and weight: [rows] or [rows, columns] by name."""
    columns: dict[str, Column]
    """The features to slice by."""
    mistakes: tuple[tuple[float, Mistake], ...]
    """The worst predictions with their errors, the worst first."""
    skills: dict[str, Values]
    """Sums of each single feature's table."""
    champion: TrainedLabel | None = None
    champion_fault: str = ""

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(self.values[LABEL])

    def with_champion(self, champion: ChampionPart) -> "ScoredPart":
        """Return the same with what the champion gave for these rows."""
        output = {} if champion.output is None else {CHAMPION: champion.output}
        return self._replace(values=self.values | output, champion=champion.label, champion_fault=champion.fault)

    def take(self, rows: NDArray[np.intp]) -> "ScoredPart":
        """Return the same with some of its rows alone; mistakes and skills stay those of all."""
        return self._replace(
            values={name: values[rows] for name, values in self.values.items()},
            columns={name: Column(one.codes[rows], one.values) for name, one in self.columns.items()},
        )


@dataclass(frozen=True)
class Fitted:
    """The baselines and single-feature tables that were fitted on the train split."""

    methods: dict[str, Method] = field(default_factory=dict)
    skills: dict[str, FeatureSkill] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ScoredSplit:
    """The results of scoring the eval split."""

    rows: ScoredRows
    feature_skill: dict[str, float]
    """The skill of each raw feature by itself."""
    parity: tuple[ParityRow, ...]
    mistakes: tuple[Mistake, ...] = ()
    """The rows with the candidate's worst predictions."""
    left_out: dict[str, str] = field(default_factory=dict)
    """Features that the baselines and the leak guard could not use, with the reason."""


def combined(
    candidate: TrainedLabel, fitted: Fitted, parts: Sequence[ScoredPart], facts: Mapping[str, OutputFacts]
) -> ScoredRows:
    """Concatenate parts of rows; how an output is read is decided on all of them, or by `facts` of a model."""
    names = [name for name in parts[0].values if all(name in part.values for part in parts)]
    values = {name: np.concatenate([part.values[name] for part in parts]) for name in names}
    problem = kind(candidate.task)
    scores = {CANDIDATE: problem.scores(values[CANDIDATE], candidate.output, facts.get(CANDIDATE))}
    fault, champion = champion_of(parts)
    if champion is not None and not fault:
        found, form = problem.scores(values[CHAMPION], champion.output, facts.get(CHAMPION))
        scores[CHAMPION] = Scores(reorder_classes(candidate, champion, found), form)
    return ScoredRows(
        labels=values[LABEL],
        models={name: one.values for name, one in scores.items()},
        baselines={name: values[f"baseline {name}"] for name in fitted.methods},
        columns={name: _joined([part.columns[name] for part in parts]) for name in parts[0].columns},
        weights=values.get(WEIGHT),
        classes=candidate.classes,
        champion_fault=fault,
        notes={name: one.form for name, one in scores.items()},
    )


def champion_of(parts: Sequence[ScoredPart]) -> tuple[str, TrainedLabel | None]:
    """Return why the champion could not score all rows, or "", and its label."""
    fault = next((part.champion_fault for part in parts if part.champion_fault), "")
    return fault, next((part.champion for part in parts if part.champion is not None), None)


def skills_of(fitted: Fitted, parts: Sequence[ScoredPart]) -> dict[str, float]:
    """Return the skill of each feature over the rows of all parts."""
    for name, skill in fitted.skills.items():
        skill.sums = None
        for part in parts:
            skill.merge(part.skills.get(name))
    return {name: skill.value() for name, skill in fitted.skills.items()}


def worst_of(parts: Sequence[ScoredPart]) -> tuple[Mistake, ...]:
    """Return the worst predictions of all parts, the worst first."""
    found = Mistakes()
    for error, mistake in chain.from_iterable(part.mistakes for part in parts):
        found.add(error, mistake)
    return found.worst()


def _joined(columns: Sequence[Column]) -> Column:
    vocabulary = Vocabulary()
    codes = [vocabulary.add(one.codes, one.values) for one in columns]
    return Column(np.concatenate(codes), vocabulary.values)
