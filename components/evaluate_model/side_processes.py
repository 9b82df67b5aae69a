"""Processes beside the one of the candidate: one fits the baselines, one scores with the champion, one draws plots."""

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import NamedTuple, Self

from adapters.beside import Beside, has_room
from artifacts.evaluation.scored_rows import ScoredRows
from artifacts.model import label as label_file
from artifacts.predictions.labels import LabelReader
from artifacts.predictions.predictor import saved_model
from artifacts.predictions.split import Block, Splits
from components.evaluate_model.champion_scores import ChampionPart, ChampionScores
from components.evaluate_model.config import Config
from components.evaluate_model.fitting import fit_all, needs_training_rows
from components.evaluate_model.models import load_model
from components.evaluate_model.pictures import plots
from components.evaluate_model.scored_parts import Fitted
from core.errors import MlopsError
from core.pictures import Markup
from problems import kind
from problems.labels import TrainedLabel


class Known(NamedTuple):
    """What is known of the candidate when it has been loaded."""

    label: TrainedLabel
    width: int
    """Number of outputs."""
    folder: Path

    @classmethod
    def expected(cls, folder: Path | None) -> Self | None:
        """Return what the label file of a model says, the candidate's or the champion's; None where that is too little.

        A label with a graph of its own is not expected: it comes with the candidate.
        """
        label = None if folder is None else label_file.read(saved_model(folder))
        if folder is None or label is None or label.source == "transformed":
            return None
        if kind(label.task).has_classes and not label.classes:
            return None
        return cls(label, len(label.classes), folder)


class SideProcesses(NamedTuple):
    """What is done meanwhile; None is left to this process. They end with the block, or with this process."""

    baselines: "Beside[tuple[Known, Fitted]] | None" = None
    """With what was known of the candidate, or expected."""
    champion: Beside[ChampionPart] | None = None
    plots: Beside[list[Markup]] | None = None
    """Is given the scored rows."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for one in self:
            if one is not None:
                one.end()

    def tell(self, known: Known) -> None:
        """Hand over what the baselines may wait for."""
        if self.baselines is not None:
            self.baselines.give(known)


def begin(
    config: Config, splits: Splits, label_of: Path | None, champion: Path | None, *, early: bool = False
) -> SideProcesses:
    """Begin what needs little of the candidate in processes of their own, where there is room for them.

    `label_of` is the folder of a model that probably has the candidate's label, `champion` that of the champion.
    Where it is `early`, another task has the cores.
    """
    draw = partial(_draw, config)
    if not has_room():
        return SideProcesses(plots=Beside(draw, forks=False))
    fit = partial(_fit_ahead, config, splits, Known.expected(label_of))
    return SideProcesses(
        Beside(fit, gives_way=early) if needs_training_rows(config) else None,
        Beside(partial(_score_champion, config, splits, champion), gives_way=early) if champion is not None else None,
        Beside(draw),
    )


def fit_baselines(config: Config, splits: Splits, known: Known, block: Block | None = None) -> Fitted:
    """Fit the baselines to the label of a candidate on rows of the train split, which may have been drawn already."""
    labels = LabelReader(*known)
    if labels.reads_records:
        return fit_all(config, splits, splits.sample(*_drawn(config)), labels)
    return fit_all(config, splits, block or splits.sample_columns(*_drawn(config)), labels)


def _drawn(config: Config) -> tuple[str, int, int]:
    return "train", config.baseline_examples, config.seed


def _fit_ahead(
    config: Config, splits: Splits, expected: Known | None, candidate: Callable[[], Known]
) -> tuple[Known, Fitted]:
    """Fit the baselines to the label that is expected; where that is not possible, wait for the candidate's."""
    block = splits.sample_columns(*_drawn(config))
    if expected is not None:
        with suppress(MlopsError):  # of rows with another label
            return expected, fit_baselines(config, splits, expected, block)
    known = candidate()
    return known, fit_baselines(config, splits, known, block)


def _score_champion(config: Config, splits: Splits, folder: Path, _candidate: Callable[[], Known]) -> ChampionPart:
    scores = ChampionScores(load_model(folder, config))
    for block in splits.blocks("eval", config.batch_size):
        scores.add(block.serialized)
    return scores.part()


def _draw(config: Config, rows: Callable[[], ScoredRows]) -> list[Markup]:
    return plots(config, rows())
