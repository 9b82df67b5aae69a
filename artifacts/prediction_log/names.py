"""The names of the prediction log: its folders, its files, and the features that are beside a row's own.

    <store>/predictions/<model>/2013-10-01/143000-4711-1f0e.tfrecord

A day is the UTC day of the answers. A file holds one tf.Example for each row that was answered. Before that, it is a
hidden file of columns, so that a pattern with `*` takes finished files only.
"""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final

ROOT: Final = "predictions"
"""The folder in the store; it has a folder for each model."""
SUFFIX: Final = ".tfrecord"
PART_SUFFIX: Final = ".columns"
"""Ending of the hidden name of a file that is being written, or that was left and waits to be converted."""
PATTERN: Final = "{YYYY}-{MM}-{DD}/*.tfrecord"
"""The finished files below a model's folder, as a pattern of spans of a day."""

PREFIX: Final = "log_"
"""Names of features that start so are the log's own."""
KEY: Final = "log_key"
"""Bytes: what a label that arrives later is joined by; the values of the configured key columns, or `<request
id>/<row>`."""
REQUEST_ID: Final = "log_request_id"
"""Bytes: the request's X-Request-Id."""
ROW: Final = "log_row"
"""INT: the row's position in its request, from 0."""
TIME: Final = "log_time_us"
"""INT: when the request was answered, in microseconds since 1970, UTC."""
VERSION: Final = "log_model_version"
"""INT: the version that answered."""
ROLE: Final = "log_role"
"""Bytes: one of ROLES."""
PREDICTION: Final = "log_prediction"
"""FLOAT list: the output that the model is scored by."""
RESERVED: Final = frozenset({KEY, REQUEST_ID, ROW, TIME, VERSION, ROLE})
"""The features that every row has; every other name that starts with PREFIX is an output of the model."""

CHAMPION: Final = "champion"
CANARY: Final = "canary"
SHADOW: Final = "shadow"
"""A version whose answers were compared, and not returned."""
ROLES: Final = (CHAMPION, CANARY, SHADOW)


def log_folder(store: Path, model: str) -> Path:
    """Return the folder of a model's log below a store's root."""
    return store / ROOT / model


def day_of(time_us: int) -> date:
    """Return the UTC day of a time in microseconds since 1970."""
    return datetime.fromtimestamp(time_us // 1_000_000, UTC).date()


def day_folder(folder: Path, day: date) -> Path:
    """Return the folder of a day."""
    return folder / day.isoformat()


def day_of_folder(name: str) -> date | None:
    """Return the day of a folder's name; None when it is not the folder of a day."""
    try:
        day = date.fromisoformat(name)
    except ValueError:
        return None
    return day if day.isoformat() == name else None


def output_feature(output: str) -> str:
    """Return the feature that has an output of the model."""
    return f"{PREFIX}{output}"


def is_output(feature: str) -> bool:
    """Whether a feature is an output of the model."""
    return feature.startswith(PREFIX) and feature not in RESERVED


def part_name(name: str) -> str:
    """Return the hidden name of the file that becomes a finished one."""
    return f".{name.removesuffix(SUFFIX)}{PART_SUFFIX}"


def summary_path(finished: Path) -> Path:
    """Return the hidden file beside a finished one that says what is in it."""
    return finished.with_name(f".{finished.name.removesuffix(SUFFIX)}.json")


def is_summary(name: str) -> bool:
    """Whether this is the name of a file that says what is in another."""
    return name.startswith(".") and name.endswith(".json")


def is_finished(name: str) -> bool:
    """Whether this is the name of a finished file."""
    return name.endswith(SUFFIX) and not name.startswith(".")


def finished_name(part: str) -> str | None:
    """Return the name that a file gets when it is finished; None when this is not the name of one being written."""
    if not (part.startswith(".") and part.endswith(PART_SUFFIX)):
        return None
    return f"{part[1:].removesuffix(PART_SUFFIX)}{SUFFIX}"
