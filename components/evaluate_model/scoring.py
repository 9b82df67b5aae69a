"""Scores the eval split in this process, where there is room with others beside it."""

from itertools import chain, islice

import tensorflow as tf

from artifacts.predictions import parity
from artifacts.predictions.labels import LabelReader
from artifacts.predictions.parity import ParityRow
from artifacts.predictions.scoring_model import ScoringModel
from artifacts.predictions.split import Splits
from components.evaluate_model.config import Config
from components.evaluate_model.fitting import needs_training_rows
from components.evaluate_model.models import Models
from components.evaluate_model.scored_parts import Fitted, ScoredSplit, combined, skills_of, worst_of
from components.evaluate_model.scorer import Scorer, excluded
from components.evaluate_model.side_processes import Known, SideProcesses, fit_baselines
from core.errors import DataError
from problems import kind

_MEANWHILE = 4
"""Batches that the candidate scores while the baselines are fitted; they are kept until then."""


def score(config: Config, splits: Splits, models: Models, beside: SideProcesses | None = None) -> ScoredSplit:
    """Fit the baselines on the train split, and score the eval split with models and baselines.

    What other processes do is only waited for. Raises DataError for labels or weights that cannot be used, and for a
    model with another number of classes.
    """
    beside = beside or SideProcesses()
    candidate, width = prepared(models.candidate, splits.first("eval"))
    known = Known(candidate.label, width, candidate.folder)
    beside.tell(known)
    labels = LabelReader(known.label, known.width, known.folder)
    outputs = ((block, candidate.predictor(block.serialized)) for block in splits.blocks("eval", config.batch_size))
    fitted, first = Fitted(), []
    if beside.baselines is not None:
        first = list(islice(outputs, _MEANWHILE))
        found, fitted = beside.baselines.result()
        if (found.label, found.width) != (known.label, known.width):
            fitted = fit_baselines(config, splits, known)
    elif needs_training_rows(config):
        fitted = fit_baselines(config, splits, known)
    scorer = Scorer(config, Models(candidate, models.champion), labels, fitted, width)
    parity_rows: tuple[ParityRow, ...] = ()
    for block, output in chain(first, outputs):
        scorer.add(block, output)
        parity_rows = parity_rows or parity.choose(block.batch, output, excluded(config), config.parity_examples)
    part = scorer.part()
    if beside.champion is not None:
        part = part.with_champion(beside.champion.result().compared_with(candidate.label))
    rows = combined(candidate.label, fitted, [part], {})
    return ScoredSplit(rows, skills_of(fitted, [part]), parity_rows, worst_of([part]), fitted.left_out)


def prepared(candidate: ScoringModel, first: bytes) -> tuple[ScoringModel, int]:
    """Return the candidate with the names of its classes, and its number of outputs; DataError where they disagree.

    `first` is the first row of the eval split, serialized.
    """
    row = tf.constant([first], tf.string)
    candidate = candidate.with_class_names(row)
    width = candidate.width(row)
    if kind(candidate.label.task).has_classes and candidate.label.classes and len(candidate.label.classes) != width:
        raise DataError(
            f"{candidate.folder}: wanted a score for each of the {len(candidate.label.classes)} classes "
            f"({', '.join(candidate.label.classes[:10])}), got {width}; give the model as many outputs"
        )
    return candidate, width
