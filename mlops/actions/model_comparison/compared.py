"""What a comparison of two models found; read by the command line and by the page."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Direction = Literal["better", "worse", "same", ""]


@dataclass(frozen=True)
class Cost:
    """What a model costs; None for a format that it does not have."""

    bytes: int | None
    gzip: int | None
    row_us: float | None
    """Median microseconds of one row on this machine."""
    thousand_rows_us: float | None


@dataclass(frozen=True)
class ComparedModel:
    """One of the two."""

    reference: str
    """`NAME@VERSION`, or a path."""
    digest: str
    saved_model: Cost
    """With its transform, from serialized examples."""
    tflite: Cost
    """Of `Format-TFLite/`, from transformed features."""


@dataclass(frozen=True)
class Line:
    """One number of both."""

    name: str
    before: float | None
    after: float | None
    more_is_better: bool | None = None
    """None where nobody said."""
    slice: str = ""
    rows: int = 0

    @property
    def change(self) -> float | None:
        """The difference; None where one of the two is not known."""
        return None if self.before is None or self.after is None else self.after - self.before

    @property
    def direction(self) -> Direction:
        """Which way it moved."""
        if self.change is None or self.more_is_better is None:
            return ""
        if self.change == 0:
            return "same"
        return "better" if (self.change > 0) == self.more_is_better else "worse"


@dataclass(frozen=True)
class ModelComparison:
    """Two models, the first one before the second."""

    before: ComparedModel
    after: ComparedModel
    run_id: str
    """The run whose rows both predicted."""
    rows: int
    metric: str
    gain: tuple[float | None, float | None, float | None]
    """Low end, value and high end of the second model's gain in skill on the same rows."""
    skill: str
    metrics: tuple[Line, ...]
    slices: tuple[Line, ...]
    """Of the metric, those that lose most first."""
    gaps: tuple[Line, ...]
    """Largest difference between two slices of a feature, in the metric and in rates of predictions."""
    caveats: tuple[str, ...] = ()
    costs: tuple[Line, ...] = field(default=())

    def as_json(self) -> Mapping[str, Any]:
        """Return it as plain values."""
        content = asdict(self)
        for name in ("metrics", "slices", "gaps", "costs"):
            content[name] = [
                {**asdict(one), "change": one.change, "direction": one.direction} for one in getattr(self, name)
            ]
        return content
