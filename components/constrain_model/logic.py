"""Trains a model further under a constraint on a rate of groups, and passes on that model or the plain one."""

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from artifacts.evaluation.columns import Vocabulary
from artifacts.evaluation.slices import Column
from artifacts.examples.names import TRAIN, VALIDATION
from artifacts.fairness.grouped_rows import GroupedRows, NumberedGroups
from artifacts.fairness.rates import Rows
from artifacts.model.names import SERVING
from components.constrain_model.comparison import MOST_GROUPS, Trained, compare
from components.constrain_model.config import Config
from components.constrain_model.gate import decide
from components.constrain_model.group_columns import group_columns
from components.constrain_model.hooks import Constrained
from components.constrain_model.lagrangian import OF, Lagrangian, counted
from components.constrain_model.pictures import draw
from core.errors import DataError
from training.record import Record, built_with
from training.rows import Rows as TrainingRows
from training.session import Session, Sources, opened
from training.settings import EarlyStopping, TrainingSettings
from training.warm_start import restore_weights


class Inputs(NamedTuple):
    """References of module and schema, folders, and the plain model."""

    module: str
    schema: str
    examples: Path | str
    transform_graph: Path | str
    plain: Path | str


class Outputs(NamedTuple):
    """The paths of the outputs."""

    model: Path | str
    constraint: Path | str
    decision: Path | str
    pictures: Path | str


class Groups(NamedTuple):
    """The groups of the rows of both splits, numbered alike."""

    values: list[tuple[str, ...]]
    training: NDArray[np.int64]
    validation: NDArray[np.int64]
    columns: dict[str, Column]
    """Of the validation split."""


def constrain(config: Config, training: Mapping[str, Any], inputs: Inputs, outputs: Outputs) -> None:
    """Train, compare on the validation split, decide, and write the model that goes on.

    Raises ConfigError for a group that the schema lacks, DataError for one group only or a group too small to train on,
    TrainingError for a plain model that `train_model`'s section does not build, or labels that are probabilities.
    """
    settings = _settings(config, training)
    sources = Sources(inputs.module, inputs.schema, inputs.examples, inputs.transform_graph)
    with opened(settings, sources) as session, tempfile.TemporaryDirectory(prefix="constrain-model-") as temporary:
        made = Path(temporary, "model")
        made.mkdir()
        decision, result = decide(config, compare(config, _train(config, session, Path(inputs.plain), made)))
        passed = made if result.passed == "constrained" else Path(inputs.plain)
        shutil.copytree(passed, outputs.model, dirs_exist_ok=True)
    result.write(outputs.constraint)
    decision.write(outputs.decision)
    draw(config, result, decision, outputs.pictures)


def _settings(config: Config, training: Mapping[str, Any]) -> TrainingSettings:
    """Return `train_model`'s settings with the constraint's epochs, all of which are run."""
    further = {"epochs": config.epochs, "early_stopping": EarlyStopping(patience=config.epochs)}
    return TrainingSettings.of(training).model_copy(update=further)


def _train(config: Config, session: Session, plain: Path, made: Path) -> Trained:
    """Train from the plain model's weights, and export."""
    session = session.variant(hyperparameters=built_with(plain))
    model = session.build()
    restore_weights(model, plain / SERVING)
    splits = session.splits(model)
    predict = session.predictor(model)
    before, trained = predict(splits.validation), predict(splits.training)
    groups = _groups(config, session)
    _check_sizes(config, groups, trained.labels)
    lagrangian = Lagrangian(
        rates=OF[config.rate],
        labels=trained.labels,
        groups=groups.training,
        weights=np.ones(len(trained.labels)) if trained.weights is None else trained.weights,
        loss_weights=_loss_weights(splits.training),
        max_gap=config.max_gap,
        step=config.step,
        threshold=config.decision_threshold,
    )
    hooks = Constrained(lagrangian, splits, groups.validation, predict)
    fitted = session.fit(model, hooks=[hooks])
    after = predict(splits.validation)
    session.export(model, made)
    facts = {
        "rows": len(splits.training),
        "validation rows": len(splits.validation),
        "hyperparameters": session.settings.hyperparameters,
    }
    Record(model, fitted, facts).write(made)
    sides = [GroupedRows(Rows(one.labels, one.scores, one.weights), groups.columns) for one in (before, after)]
    names = [", ".join(values) for values in groups.values]
    multipliers = {
        rate: dict(zip(names, found.tolist(), strict=True)) for rate, found in lagrangian.multipliers.items()
    }
    return Trained(sides[0], sides[1], hooks.best_epoch, tuple(hooks.epochs), multipliers)


def _loss_weights(rows: TrainingRows) -> NDArray[np.float64]:
    """Return the weights of rows in the loss, those of classes among them, [rows]."""
    weights = [block[2] if len(block) == 3 else np.ones(len(block[1])) for block in rows.blocks()]
    return np.concatenate(weights).astype(np.float64)


def _groups(config: Config, session: Session) -> Groups:
    vocabularies = {name: Vocabulary() for name in config.groups}
    columns = [group_columns(session, split, vocabularies) for split in (TRAIN, VALIDATION)]
    joined = {
        name: Column(np.concatenate([one[name].codes for one in columns]), vocabularies[name].values)
        for name in config.groups
    }
    count = len(next(iter(columns[0].values())).codes)
    numbered = NumberedGroups.of(joined, config.groups, MOST_GROUPS)
    return Groups(numbered.values, numbered.numbers[:count], numbered.numbers[count:], columns[1])


def _check_sizes(config: Config, groups: Groups, labels: NDArray[np.floating[Any]]) -> None:
    """Raise DataError where a constraint would be about nothing, or about noise."""
    name = " x ".join(config.groups)
    if len(groups.values) < 2:
        only = ", ".join(", ".join(values) for values in groups.values) or "none"
        raise DataError(
            f"constrain_model.groups: wanted two groups of {name} or more in the training rows, got {only}; train on "
            "rows of every group, or leave the section out"
        )
    for rate in OF[config.rate]:
        rows = groups.training[counted(rate, labels) & (groups.training >= 0)]
        counts = np.bincount(rows, minlength=len(groups.values))
        smallest = int(np.argmin(counts))
        if counts[smallest] < config.min_group_rows:
            raise DataError(
                f"constrain_model: wanted {config.min_group_rows} training rows of every group that {rate} is a share "
                f"of, got {counts[smallest]} of {', '.join(groups.values[smallest])}; train on more rows of it, group "
                "by a coarser feature, or leave the section out"
            )
