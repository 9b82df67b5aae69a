"""Processes beside the one of the candidate: one fits the baselines, one scores with the champion, one draws plots."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple, Self

from adapters.beside import Beside, has_room
from artifacts.evaluation.scored_rows import ScoredRows
from artifacts.model import label as label_file
from artifacts.predictions.labels import LabelReader
from artifacts.predictions.predictor import saved_model
from artifacts.predictions.split import Splits
from components.evaluate_model.champion_scores import ChampionPart, ChampionScores
from components.evaluate_model.config import Config
from components.evaluate_model.fitting import fit_all, needs_training_rows
from components.evaluate_model.models import load_model
from components.evaluate_model.pictures import plots
from components.evaluate_model.scored_parts import Fitted
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
    def ahead(cls, folder: Path) -> Self | None:
        """Return what the label file of a model says before the model is loaded; None where that may say more."""
        label = label_file.read(saved_model(folder))
        if label is None or (kind(label.task).has_classes and not label.classes):
            return None
        return cls(label, len(label.classes), folder)


class SideProcesses(NamedTuple):
    """What is done meanwhile; None is left to this process."""

    baselines: Beside[Fitted] | None = None
    champion: Beside[ChampionPart] | None = None

    def tell(self, known: Known) -> None:
        """Hand over what both wait for."""
        for one in self:
            if one is not None:
                one.give(known)


def plotting(config: Config) -> Beside[list[Markup]]:
    """Return what draws the plots of the scored rows that it is given, in a process of its own where there is room."""

    def draw(rows: Callable[[], ScoredRows]) -> list[Markup]:
        return plots(config, rows())

    return Beside(draw, forks=has_room())


@contextmanager
def side_processes(config: Config, splits: Splits, candidate: Path, champion: Path | None) -> Iterator[SideProcesses]:
    """Have baselines and champion done in processes of their own within the block, where there is room for them.

    `candidate` and `champion` are the folders of the models.
    """
    with ExitStack() as stack:
        found = SideProcesses()
        if has_room():
            if needs_training_rows(config):
                fit = partial(fit_baselines, config, splits, ahead=Known.ahead(candidate))
                found = found._replace(baselines=stack.enter_context(Beside(fit)))
            if champion is not None:
                score = partial(_score_champion, config, splits, champion)
                found = found._replace(champion=stack.enter_context(Beside(score)))
        yield found


def fit_baselines(
    config: Config, splits: Splits, candidate: Callable[[], Known], *, ahead: Known | None = None
) -> Fitted:
    """Fit the baselines on rows of the train split; the candidate is asked for last, and not where `ahead` is known."""
    drawn = ("train", config.baseline_examples, config.seed)
    block = splits.sample_columns(*drawn)
    label, width, folder = ahead or candidate()
    labels = LabelReader(label, width, folder)
    return fit_all(config, splits, splits.sample(*drawn) if labels.reads_records else block, labels)


def _score_champion(config: Config, splits: Splits, folder: Path, candidate: Callable[[], Known]) -> ChampionPart:
    scores = ChampionScores(load_model(folder, config))
    for block in splits.blocks("eval", config.batch_size):
        scores.add(block.serialized)
    return scores.part().compared_with(candidate().label)
