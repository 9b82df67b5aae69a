"""Processes beside the one of the candidate: one fits the baselines, one scores with the champion, one draws plots."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

from adapters.beside import Beside, has_room
from artifacts.evaluation.scored_rows import ScoredRows
from artifacts.predictions.labels import LabelReader
from artifacts.predictions.split import Splits
from components.evaluate_model.champion_scores import ChampionPart, ChampionScores
from components.evaluate_model.config import Config
from components.evaluate_model.fitting import fit_all, needs_training_rows
from components.evaluate_model.models import load_model
from components.evaluate_model.pictures import plots
from components.evaluate_model.scored_parts import Fitted
from core.pictures import Markup
from problems.labels import TrainedLabel


class Known(NamedTuple):
    """What is known of the candidate when it has been loaded."""

    label: TrainedLabel
    width: int
    """Number of outputs."""
    folder: Path


class SideProcesses(NamedTuple):
    """What is done meanwhile; None is left to this process."""

    baselines: Beside[Fitted] | None = None
    champion: Beside[ChampionPart] | None = None
    plots: Beside[list[Markup]] | None = None

    def tell(self, known: Known) -> None:
        """Hand over what baselines and champion wait for."""
        for one in (self.baselines, self.champion):
            if one is not None:
                one.give(known)

    def plot(self, rows: ScoredRows) -> None:
        """Have the plots of scored rows begun."""
        if self.plots is not None:
            self.plots.give(replace(rows, baselines={}, columns={}))


@contextmanager
def side_processes(config: Config, splits: Splits, champion: Path | None) -> Iterator[SideProcesses]:
    """Have baselines, champion and plots done in processes of their own within the block, where there is room."""
    with ExitStack() as stack:
        found = SideProcesses()
        if has_room():
            found = found._replace(plots=stack.enter_context(Beside(partial(_plots, config))))
            if needs_training_rows(config):
                found = found._replace(baselines=stack.enter_context(Beside(partial(fit_baselines, config, splits))))
            if champion is not None:
                score = partial(_score_champion, config, splits, champion)
                found = found._replace(champion=stack.enter_context(Beside(score)))
        yield found


def fit_baselines(config: Config, splits: Splits, candidate: Callable[[], Known]) -> Fitted:
    """Fit the baselines on rows of the train split; the rows are drawn before the candidate is asked for."""
    drawn = ("train", config.baseline_examples, config.seed)
    block = splits.sample_columns(*drawn)
    label, width, folder = candidate()
    labels = LabelReader(label, width, folder)
    return fit_all(config, splits, splits.sample(*drawn) if labels.reads_records else block, labels)


def _plots(config: Config, rows: Callable[[], ScoredRows]) -> list[Markup]:
    return plots(config, rows())


def _score_champion(config: Config, splits: Splits, folder: Path, candidate: Callable[[], Known]) -> ChampionPart:
    model = load_model(folder, config)
    scores = ChampionScores(model, candidate().label)
    for block in splits.blocks("eval", config.batch_size):
        scores.add(block.serialized)
    return scores.part()
