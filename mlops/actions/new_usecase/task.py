"""Guesses the kind of problem from a label's values, and measures a baseline that uses no features."""

from collections.abc import Mapping, Sequence
from statistics import fmean, median, pstdev
from typing import Any, NamedTuple

from core.errors import DataError, UsageError, did_you_mean
from core.problem import Task
from mlops.actions.new_usecase.columns import class_counts
from mlops.actions.new_usecase.table import Table, is_number

MOST_CLASSES = 100
FEW_NUMBERS = 10
"""Whole numbers with at most this many different values are taken for classes."""
POSITIVE = ("1", "yes", "true", "y", "t", "positive", "spam", "fraud", "churn", "late", "default", "bad")
"""Names that make a class the positive one; when the label has none of them, it is the rarer class."""


class Label(NamedTuple):
    """The label of a new use case, with a baseline."""

    name: str
    task: Task
    why: str
    """The reason for the task, for a person."""
    classes: tuple[str, ...]
    """The classes as the label spells them, the most common first; empty for a regression."""
    is_text: bool
    positive: str
    """The positive class of a binary classification; empty for the other tasks."""
    metric: str
    baseline: str
    """The baseline, for a person."""
    baseline_value: float
    """What the baseline reaches, in `metric`."""
    mean: float
    """Mean of a regression's label."""
    deviation: float
    """Standard deviation of a regression's label."""

    @property
    def is_counted(self) -> bool:
        """Whether the classes are the numbers 0, 1, 2, ..., which need no renumbering."""
        return not self.is_text and set(self.classes) == {str(number) for number in range(len(self.classes))}


def describe_label(table: Table, name: str, task: Task | None) -> Label:
    """Describe the label of a table; UsageError for a column that does not exist, DataError for bad values."""
    if name not in table.columns:
        columns = ", ".join(map(repr, list(table.columns)[:20]))
        raise UsageError(f"{table.path}: no column {name!r}{did_you_mean(name, table.columns)}; it has {columns}")
    values = table.columns[name]
    where = f"{table.path}: column {name!r}"
    if missing := sum(value is None for value in values):
        raise DataError(
            f"{where}: wanted a label in every row, got {missing} of {table.rows} rows without; remove those rows"
        )
    counts = class_counts(values)
    if len(counts) < 2:
        raise DataError(f"{where}: wanted a label with several values, got {next(iter(counts))!r} in every row")
    numbers = _numbers(values)
    guessed, why = _guess(where, counts, numbers)
    chosen = task or guessed
    _check(where, chosen, counts, numbers)
    if chosen == "regression":
        assert numbers is not None
        return _regression(name, why if chosen == guessed else "as asked", numbers)
    return _classes(name, chosen, why if chosen == guessed else "as asked", counts, is_text=numbers is None)


def _numbers(values: Sequence[Any]) -> list[float] | None:
    """Return the values as numbers; None when one of them is not a number."""
    if not all(isinstance(value, int | float) or is_number(str(value)) for value in values):
        return None
    return [float(value) for value in values]


def _guess(where: str, counts: Mapping[Any, int], numbers: list[float] | None) -> tuple[Task, str]:
    if len(counts) == 2:
        return "binary_classification", f"two values: {' and '.join(map(str, counts))}"
    if numbers is None:
        if len(counts) > MOST_CLASSES or 2 * len(counts) > sum(counts.values()):
            raise DataError(
                f"{where}: wanted a number, or one of at most {MOST_CLASSES} words that repeat, got {len(counts)} "
                "different texts; choose another --label"
            )
        return "multiclass_classification", f"{len(counts)} different words"
    if len(counts) <= FEW_NUMBERS and all(number.is_integer() for number in numbers):
        return "multiclass_classification", f"{len(counts)} different whole numbers"
    return "regression", f"{len(counts)} different numbers"


def _check(where: str, task: Task, counts: Mapping[Any, int], numbers: list[float] | None) -> None:
    """Raise UsageError for a task that does not fit the values."""
    if task == "regression" and numbers is None:
        raise UsageError(f"{where}: wanted numbers for a regression, got text such as {next(iter(counts))!r}")
    if task == "binary_classification" and len(counts) != 2:
        raise UsageError(f"{where}: wanted two values for a binary classification, got {len(counts)}")
    if task == "multiclass_classification" and len(counts) > MOST_CLASSES:
        raise UsageError(f"{where}: wanted at most {MOST_CLASSES} classes, got {len(counts)} different values")
    fractions = numbers is not None and not all(number.is_integer() for number in numbers)
    if task != "regression" and fractions:
        raise UsageError(f"{where}: wanted words or whole numbers as classes, got fractions; use --task regression")


def _regression(name: str, why: str, numbers: list[float]) -> Label:
    middle = median(numbers)
    error = fmean(abs(number - middle) for number in numbers)
    what = f"The median of {name}, {middle:.6g}, for every row"
    deviation = pstdev(numbers)
    return Label(name, "regression", why, (), False, "", "mean_absolute_error", what, error, fmean(numbers), deviation)


def _classes(name: str, task: Task, why: str, counts: Mapping[Any, int], *, is_text: bool) -> Label:
    classes = tuple(str(value) if is_text else str(int(float(value))) for value in counts)
    commonest = next(iter(counts.values())) / sum(counts.values())
    if task == "binary_classification":
        positive = next((value for value in classes if value.lower() in POSITIVE), classes[-1])
        what = "Guessing, or the same answer for every row"
        return Label(name, task, why, classes, is_text, positive, "auc", what, 0.5, 0.0, 1.0)
    what = f"The commonest {name}, {classes[0]}, for every row"
    metric = "sparse_categorical_accuracy"
    return Label(name, task, why, classes, is_text, "", metric, what, commonest, 0.0, 1.0)
