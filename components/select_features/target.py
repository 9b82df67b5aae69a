"""Reads the raw label as the numbers that a selection predicts."""

from collections import Counter
from dataclasses import dataclass

import pyarrow_hotfix  # noqa: F401
import numpy as np
import pyarrow as pa

from artifacts.evaluation.columns import MISSING, Values, categories, numbers
from components.select_features.config import Config
from core.errors import ConfigError, DataError, TrainingError, did_you_mean
from problems import kind
from problems.labels import value_name


@dataclass(frozen=True)
class Target:
    """The label of some rows."""

    values: Values
    """[rows]: 0 or 1, the index of a class, or a number."""
    classes: tuple[str, ...]
    """Empty for a regression."""
    weights: Values | None

    @property
    def width(self) -> int:
        """Number of classes; 1 for a regression."""
        return len(self.classes) or 1


def read_target(config: Config, batch: pa.RecordBatch) -> Target:
    """Read label and weight.

    Raises ConfigError for a label that is no feature, DataError for rows without one, TrainingError for one class only.
    """
    if config.label not in batch.schema.names:
        raise ConfigError(
            f"problem.label: wanted a feature of the schema, got {config.label!r}"
            f"{did_you_mean(config.label, batch.schema.names)}"
        )
    values, classes = _numbers(config, batch) if not kind(config.task).has_classes else _classes(config, batch)
    if missing := int((~np.isfinite(values)).sum()):
        raise DataError(
            f"label {config.label!r}: wanted a value in every row of the split 'train', got {missing} of {len(values)} "
            "rows without; leave such rows out of the data, and set presence in the schema"
        )
    if len(classes) == 1:
        raise TrainingError(
            f"label {config.label!r}: wanted at least two classes in the split 'train', got {classes[0]!r} in all "
            f"{len(values)} rows; correct the data, or widen ingest_examples.window"
        )
    weights = None if config.weight is None else np.nan_to_num(numbers(batch, config.weight))
    counts = Counter(float(value) for value in values.tolist())
    if fault := kind(config.task).label_fault(counts, None):
        raise TrainingError(f"{config.label} in the split 'train': {fault}")
    return Target(values, classes, weights)


def _numbers(config: Config, batch: pa.RecordBatch) -> tuple[Values, tuple[str, ...]]:
    column = batch.column(batch.schema.get_field_index(config.label))
    if pa.types.is_large_binary(column.type.value_type):
        raise DataError(
            f"label {config.label!r}: wanted numbers for a regression, got text; "
            "correct problem.task, or the label in the data"
        )
    return numbers(batch, config.label), ()


def _classes(config: Config, batch: pa.RecordBatch) -> tuple[Values, tuple[str, ...]]:
    codes, found = categories(batch, config.label)
    order = sorted(range(len(found)), key=lambda code: (isinstance(found[code], str), found[code]))
    names = tuple(value_name(found[code]) for code in order)
    if len(names) > 1 and (config.positive is not None or isinstance(found[order[0]], str)):
        names = kind(config.task).class_order(names, config.positive)
    table = np.array([*(names.index(value_name(value)) for value in found), np.nan])
    return table[np.where(codes == MISSING, len(found), codes)], names
