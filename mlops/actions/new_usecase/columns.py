"""Decides which columns the first model of a new use case learns from, and why not from the others."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any, NamedTuple

from mlops.actions.new_usecase.table import Table, is_number

TEXT_WORDS = 2.5
"""Fewest words that a text has on average; values that are all different and have fewer are identifiers."""
PEOPLE = ("sex", "gender", "race", "ethnicity", "religion", "nationality", "disability", "age")
"""Words in the names of columns that describe protected groups of people."""


class Columns(NamedTuple):
    """How the first configuration treats the columns other than the label."""

    left_out: dict[str, str]
    """Column that the model does not get -> the reason."""
    leaks: tuple[str, ...]
    """Those of `left_out` that determine the label."""
    times: dict[str, tuple[str, ...]]
    """Column of times -> the parts that become features."""
    groups: tuple[str, ...]
    """Columns whose names suggest that they describe groups of people."""


def sort_columns(table: Table, label: str) -> Columns:
    """Return how to treat the columns of a table other than the label."""
    left_out: dict[str, str] = {}
    leaks: list[str] = []
    times: dict[str, tuple[str, ...]] = {}
    labels = table.columns[label]
    for name, values in table.columns.items():
        if name == label:
            continue
        known = [value for value in values if value is not None]
        if reason := _no_feature(known):
            left_out[name] = reason
        elif _is_one_to_one(values, labels):
            left_out[name] = f"it determines {label}, so it would leak the answer"
            leaks.append(name)
        elif parts := _parts(known):
            times[name] = parts
        elif reason := _identifier(known):
            left_out[name] = reason
    groups = tuple(name for name in table.columns if name != label and _describes_people(name))
    return Columns(left_out, tuple(leaks), times, tuple(name for name in groups if name not in left_out))


def _no_feature(known: Sequence[Any]) -> str:
    """Return why values cannot be a feature; empty when they can."""
    if not known:
        return "it has no value at all"
    if isinstance(known[0], bytes | bytearray | list | dict):
        return f"its values are {type(known[0]).__name__}, which the first module cannot read (see usecases/digits)"
    if len(set(known)) == 1:
        return "it has the same value in every row"
    return ""


def _is_one_to_one(values: Sequence[Any], labels: Sequence[Any]) -> bool:
    """Return whether each value stands for one label, and each label for one value, with repetitions."""
    pairs = set(zip(values, labels, strict=True))
    return len(pairs) == len(set(values)) == len(set(labels)) and len(pairs) < max(3, len(values) // 2)


def _identifier(known: Sequence[Any]) -> str:
    """Return why values look like an identifier; empty when they do not."""
    if len(set(known)) < len(known) or len(known) < 10:
        return ""
    if all(isinstance(value, int) or (isinstance(value, str) and _is_whole(value)) for value in known):
        numbers = [int(value) for value in known]
        return "it numbers the rows" if max(numbers) - min(numbers) < 2 * len(numbers) else ""
    if isinstance(known[0], str) and not all(is_number(value) for value in known):
        words = sum(len(value.split()) for value in known) / len(known)
        return "every value is different, as in an identifier" if words < TEXT_WORDS else ""
    return ""


def _is_whole(cell: str) -> bool:
    return cell.lstrip("-").isdigit()


def _parts(known: Sequence[Any]) -> tuple[str, ...]:
    """Return the parts of times that become features; empty when the values are not times."""
    times = [_time(value) for value in known]
    if not all(times):
        return ()
    has_hours = any(isinstance(time, datetime) and (time.hour or time.minute) for time in times)
    return ("month", "day_of_week", "hour") if has_hours else ("month", "day_of_week")


def _time(value: Any) -> date | None:
    if isinstance(value, date):
        return value
    if not isinstance(value, str) or value.count("-") < 2:
        return None
    try:
        return datetime.fromisoformat(value)
    except ValueError:
        return None


def _describes_people(name: str) -> bool:
    return bool(set(name.lower().replace("-", "_").replace(" ", "_").split("_")) & set(PEOPLE))


def class_counts(values: Sequence[Any]) -> Mapping[Any, int]:
    """Count the values, the most common first, equally common ones in the order of their text."""
    counts: dict[Any, int] = {}
    for value in values:
        counts[value] = counts.get(value, 0) + 1
    return dict(sorted(counts.items(), key=lambda item: (-item[1], str(item[0]))))
