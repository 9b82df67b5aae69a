"""The names that statistics have: what is described, and the file that says it."""

from artifacts.examples.names import split_folder, split_of
from artifacts.spans.pattern import label

FILE = "FeatureStats.pb"
"""As TFX names it."""
DERIVED_FILE = "DerivedStats.pb"
"""The same for what is derived from texts and images; absent where there are none."""
SERVING = "Serving"
"""The folder of what the server was sent."""

_SPAN_PREFIX = "Span-"


def of_split(split: str) -> str:
    """Name of the folder that describes a split."""
    return split_folder(split)


def of_span(pattern: str, span: int) -> str:
    """Name of the folder that describes a span over all its splits: its number, or the date that its pattern has."""
    return f"{_SPAN_PREFIX}{label(pattern, span)}"


def is_split(name: str) -> bool:
    """Tell whether a folder of this name describes a split."""
    return split_of(name) is not None


def is_span(name: str) -> bool:
    """Tell whether a folder of this name describes a span."""
    return name.startswith(_SPAN_PREFIX)


def title(name: str) -> str:
    """What a person calls the data that a folder describes, such as `train` for `Split-train`."""
    return split_of(name) or name
