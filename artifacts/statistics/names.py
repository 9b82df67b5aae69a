"""The names of folders and files of statistics."""

from artifacts.examples.names import split_folder, split_of
from artifacts.spans.pattern import label

FILE = "FeatureStats.pb"
"""TFX's name."""
DERIVED_FILE = "DerivedStats.pb"
"""Statistics of features derived from texts and images; absent when there are none."""
SERVING = "Serving"
"""Folder of the serving data's statistics."""

_SPAN_PREFIX = "Span-"


def of_split(split: str) -> str:
    """Return the folder of a split."""
    return split_folder(split)


def of_span(pattern: str, span: int) -> str:
    """Return the folder of a span, named after its number, or its date if the pattern has dates."""
    return f"{_SPAN_PREFIX}{label(pattern, span)}"


def is_split(name: str) -> bool:
    """Whether a folder of this name is that of a split."""
    return split_of(name) is not None


def is_span(name: str) -> bool:
    """Whether a folder of this name is that of a span."""
    return name.startswith(_SPAN_PREFIX)


def title(name: str) -> str:
    """Return a folder's name for display, such as `train` for `Split-train`."""
    return split_of(name) or name
