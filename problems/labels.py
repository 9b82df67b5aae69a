"""The label as a model was trained on it: what its numbers mean travels with the model, and evaluation reads by it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Self

from core.problem import ModelOutput, Task


@dataclass(frozen=True)
class TrainedLabel:
    """What a model's label and answers are."""

    name: str
    """The feature, as the schema names it."""
    task: Task
    source: Literal["raw", "transformed"] = "raw"
    """`raw`: the numbers can be read from the raw label; `transformed`: only the transform says them."""
    classes: tuple[str, ...] = ()
    """Names of the classes in the order of their numbers; empty for a regression, and where nothing names them."""
    values: Mapping[str, int] = field(default_factory=dict)
    """The class of each raw value, as `value_name` writes it; empty where raw values are the numbers themselves."""
    unit: Literal["raw", "trained"] = "raw"
    """Whether a regression's answers are in the raw label's unit, or in that of the transformed label."""
    output: ModelOutput = "auto"
    """What the exported model gives."""

    def to_json(self) -> dict[str, Any]:
        """Return the facts as JSON values."""
        return {"version": 1, **asdict(self)}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """Read the facts back; KeyError, TypeError or ValueError for anything else."""
        if content["version"] != 1:
            raise ValueError(f"wanted version 1, got {content['version']!r}")
        facts = {key: value for key, value in content.items() if key != "version"}
        return cls(**{**facts, "classes": tuple(facts["classes"]), "values": dict(facts["values"])})


def value_name(value: str | bytes | float) -> str:
    """Write a raw label's value as `problem.positive` and the names of classes have it: `1` for 1 and 1.0."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, str):
        return value
    return str(int(value)) if float(value).is_integer() else repr(value)
