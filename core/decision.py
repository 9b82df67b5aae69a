"""A gate's decision: one JSON file that says what was asked, what was seen and what to do next.

Every gate writes exactly one, as the output artifact named `decision`. Its JSON Schema is published as
`docs/decision.schema.json`. A gate that is closed also says it in one line of its log, because Kubeflow Pipelines keeps no
output of a task that failed, and a gate that stops a run is such a task.
"""

import math
from enum import StrEnum
from pathlib import Path
from typing import Literal, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

LOG_MARK = "decision: "
"""What a closed gate's line in the log begins with."""


class Verdict(StrEnum):
    """`undecided` is its own answer: the gate could not tell, and is therefore closed."""

    PASS = "pass"  # noqa: S105 - a verdict
    FAIL = "fail"
    UNDECIDED = "undecided"


class Check(BaseModel):
    """One rule of a gate, held against one observation."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    rule: str = Field(description="The rule in words, such as `auc >= 0.62`.")
    threshold: float | str | None = Field(
        default=None, description="The bound that the rule holds, in the unit of the observation."
    )
    observed: float | str | None = Field(default=None, description="What was seen; null when nothing could be seen.")
    slice: str = Field(default="", description="The slice of the data it was seen on; empty for all of it.")
    verdict: Verdict
    next_step: str = Field(default="", description="What a person does about it; empty when it passed.")


class Decision(BaseModel):
    """All checks of one gate and the verdict they add up to."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    version: Literal[1] = 1
    gate: str = Field(description="The stage that decided, such as `evaluate_model`.")
    verdict: Verdict
    summary: str = Field(description="One sentence for a person.")
    next_step: str = Field(default="", description="The first thing to do when the gate is closed.")
    checks: tuple[Check, ...] = ()

    @property
    def is_open(self) -> bool:
        """Whether what comes after the gate may run; only an outright pass opens it."""
        return self.verdict is Verdict.PASS

    @classmethod
    def of(cls, gate: str, checks: tuple[Check, ...], summary: str = "") -> Self:
        """Add checks up: no check at all or one undecided is undecided, unless one fails; then it is a fail."""
        verdicts = {check.verdict for check in checks}
        if Verdict.FAIL in verdicts:
            verdict = Verdict.FAIL
        elif not checks or Verdict.UNDECIDED in verdicts:
            verdict = Verdict.UNDECIDED
        else:
            verdict = Verdict.PASS
        closed = [check for check in checks if check.verdict is not Verdict.PASS]
        worst = next((check for check in closed if check.verdict is verdict), None)
        if not summary:
            summary = _summarize(gate, checks, worst)
        next_step = (
            worst.next_step
            if worst
            else ("" if checks else f"Give {gate} at least one rule: a gate without rules stays closed.")
        )
        return cls(gate=gate, verdict=verdict, summary=summary, next_step=next_step, checks=checks)

    def write(self, path: Path | str) -> None:
        """Write the decision as JSON, whole or not at all."""
        target = Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        staged = target.with_name(f".{target.name}.staging")
        staged.write_text(self.model_dump_json(indent=2) + "\n", encoding="utf-8")
        staged.replace(target)
        if not self.is_open:
            print(f"{LOG_MARK}{self.model_dump_json()}", flush=True)

    @classmethod
    def in_log(cls, log: str) -> Self | None:
        """Return the last decision that a log holds; None where there is none, or only a line that was cut."""
        for line in reversed(log.splitlines()):
            _, mark, said = line.partition(LOG_MARK)
            if mark:
                try:
                    return cls.model_validate_json(said)
                except ValidationError:
                    return None
        return None

    @classmethod
    def read(cls, path: Path | str) -> Self:
        """Read a decision back; pydantic's ValidationError says what does not fit."""
        return cls.model_validate_json(Path(path).read_bytes())


class Bound(NamedTuple):
    """What a number must keep; exactly one side is given."""

    at_least: float | None = None
    at_most: float | None = None


def compare(name: str, observed: float | None, bound: Bound, slice: str = "", next_step: str = "") -> Check:
    """Hold one number against one bound; a missing or non-finite number is undecided, never a pass.

    Raises ValueError when the bound has both sides or none.
    """
    if (bound.at_least is None) == (bound.at_most is None):
        raise ValueError(f"{name}: give exactly one of at_least and at_most")
    limit = bound.at_least if bound.at_least is not None else bound.at_most
    assert limit is not None
    rule = f"{name} {'>=' if bound.at_least is not None else '<='} {limit:g}"
    if observed is None or not math.isfinite(observed):
        verdict = Verdict.UNDECIDED
        next_step = f"{name} could not be computed{f' on slice {slice}' if slice else ''}: look for empty data or NaN in the model's output."
        observed = None
    else:
        passed = observed >= limit if bound.at_least is not None else observed <= limit
        verdict = Verdict.PASS if passed else Verdict.FAIL
    return Check(
        rule=rule,
        threshold=limit,
        observed=observed,
        slice=slice,
        verdict=verdict,
        next_step="" if verdict is Verdict.PASS else next_step,
    )


def _summarize(gate: str, checks: tuple[Check, ...], worst: Check | None) -> str:
    if not checks:
        return f"{gate} has no rule to decide by."
    if worst is None:
        return f"all {len(checks)} checks hold."
    where = f" on slice {worst.slice}" if worst.slice else ""
    observed = f"{worst.observed:.4g}" if isinstance(worst.observed, float) else str(worst.observed)
    held = sum(check.verdict is Verdict.PASS for check in checks)
    return f"{worst.rule}{where} does not hold (observed {observed}); {held} of {len(checks)} checks hold."
