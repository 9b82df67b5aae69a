"""The label that a model was trained on: the meaning of its numbers, saved with the model and read by evaluation."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Self

from core.problem import ModelOutput, Task


@dataclass(frozen=True)
class TrainedLabel:
    """The meaning of a model's label and output."""

    name: str
    """The feature, as the schema names it."""
    task: Task
    source: Literal["raw", "transformed"] = "raw"
    """`raw`: the numbers follow from the raw label; `transformed`: they are computed by the transform graph."""
    classes: tuple[str, ...] = ()
    """Names of the classes in order; empty for a regression, and when they have no names."""
    values: Mapping[str, int] = field(default_factory=dict)
    """The class of each raw value, as `value_name` returns it; empty when raw values are the classes or numbers."""
    unit: Literal["raw", "trained"] = "raw"
    """Whether a regression's predictions are in the unit of the raw label or of the transformed label."""
    output: ModelOutput = "auto"
    """What the exported model returns."""

    def to_json(self) -> dict[str, Any]:
        """Return the content of the label file."""
        return {"version": 1, **asdict(self)}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """Parse the output of `to_json`; KeyError, TypeError or ValueError for any other content."""
        if content["version"] != 1:
            raise ValueError(f"wanted version 1, got {content['version']!r}")
        facts = {key: value for key, value in content.items() if key != "version"}
        return cls(**{**facts, "classes": tuple(facts["classes"]), "values": dict(facts["values"])})


def value_name(value: str | bytes | float) -> str:
    """Return a raw label's value as text, as in `problem.positive` and in the names of classes: `1` for 1 and 1.0."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, str):
        return value
    return str(int(value)) if float(value).is_integer() else repr(value)
