"""A gate's decision: one JSON file with its rules, what was observed, and what to do next.

Every gate writes exactly one, as the output artifact named `decision`. Its JSON Schema is published as
`docs/decision.schema.json`. A closed gate also prints it on one line of its log, because Kubeflow Pipelines keeps no
output of a failed task, and a gate that stops a run is such a task.
"""

import math
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Literal, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from core import durable, pictures

LOG_MARK = "decision: "
"""Prefix of the line in the log that holds a closed gate's decision."""
_SHOWN = 50
"""Most checks that a notebook shows."""


class Verdict(StrEnum):
    """`undecided`: the gate had nothing to decide by, such as a metric that is NaN; it is closed."""

    PASS = "pass"  # noqa: S105 - a verdict
    FAIL = "fail"
    UNDECIDED = "undecided"


class Check(BaseModel):
    """One rule of a gate and whether one observation keeps it."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    rule: str = Field(description="The rule in words, such as `auc >= 0.62`.")
    threshold: float | str | None = Field(
        default=None, description="The bound of the rule, in the unit of the observation."
    )
    observed: float | str | None = Field(default=None, description="What was observed; null when nothing could be.")
    slice: str = Field(default="", description="The slice of the data it was observed on; empty for all of it.")
    verdict: Verdict
    next_step: str = Field(default="", description="What to do about it; empty when it passed.")


class Decision(BaseModel):
    """All checks of one gate and the verdict that follows from them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[2] = 2
    gate: str = Field(description="The stage that made the decision, such as `evaluate_model`.")
    subject: str = Field(
        default="",
        pattern=r"^(sha256:[0-9a-f]{64})?$",
        description="Digest of the model that was checked; empty for a gate that runs before there is a model.",
    )
    verdict: Verdict = Field(description="The verdict of all checks together; any other verdict is not valid.")
    summary: str = Field(description="One sentence for people.")
    next_step: str = Field(default="", description="The first thing to do when the gate is closed.")
    checks: tuple[Check, ...] = ()

    @model_validator(mode="after")
    def _verdict_of_the_checks(self) -> Self:
        wanted = combine(self.checks)
        if self.verdict is not wanted:
            raise ValueError(f"the verdict of the checks is {wanted}, but the decision says {self.verdict}")
        return self

    @property
    def is_open(self) -> bool:
        """Whether the tasks behind the gate may run: only when every check passed."""
        return self.verdict is Verdict.PASS

    @classmethod
    def of(cls, gate: str, checks: tuple[Check, ...], *, subject: str = "") -> Self:
        """Make the decision that follows from some checks; `subject` is the digest of the model, if there is one."""
        verdict = combine(checks)
        closed = [check for check in checks if check.verdict is not Verdict.PASS]
        worst = next((check for check in closed if check.verdict is verdict), None)
        if worst is not None:
            next_step = worst.next_step
        else:
            next_step = "" if checks else f"Give {gate} at least one rule: a gate without rules stays closed."
        summary = _summarize(gate, checks, worst)
        return cls(gate=gate, subject=subject, verdict=verdict, summary=summary, next_step=next_step, checks=checks)

    def write(self, path: Path | str) -> None:
        """Write the decision as JSON, atomically; that of a closed gate is printed to the log too."""
        target = Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        durable.replace(target, f"{self.model_dump_json(indent=2)}\n".encode())
        if not self.is_open:
            print(f"{LOG_MARK}{self.model_dump_json()}", flush=True)

    @classmethod
    def in_log(cls, log: str) -> Self | None:
        """Return the last decision in a log; None where there is none, or its line was cut short."""
        for line in reversed(log.splitlines()):
            _, mark, content = line.partition(LOG_MARK)
            if not mark:
                continue
            try:
                return cls.model_validate_json(content)
            except ValidationError:
                return None
        return None

    @classmethod
    def read(cls, path: Path | str) -> Self:
        """Read a decision; OSError when there is no file, pydantic's ValidationError for other content."""
        return cls.model_validate_json(Path(path).read_bytes())

    def _repr_html_(self) -> str:
        """What a notebook shows of it: the verdict, and the checks with those that did not pass first."""
        ordered = sorted(self.checks, key=lambda check: check.verdict is Verdict.PASS)
        rows = [
            (pictures.verdict(one.verdict), one.rule, one.slice, one.observed, one.threshold, one.next_step)
            for one in ordered[:_SHOWN]
        ]
        more = f", {_SHOWN} of which are shown" if len(ordered) > _SHOWN else ""
        summary = f"{self.gate}: {self.summary.rstrip('.')}{more}."
        table = pictures.table(("verdict", "rule", "slice", "observed", "threshold", "next step"), rows)
        return pictures.fragment(f"Decision: {self.verdict}", summary, table)


def combine(checks: Sequence[Check]) -> Verdict:
    """Combine verdicts: `fail` if any check failed, else `undecided` if any is undecided or there is no check."""
    verdicts = {check.verdict for check in checks}
    if Verdict.FAIL in verdicts:
        return Verdict.FAIL
    if not checks or Verdict.UNDECIDED in verdicts:
        return Verdict.UNDECIDED
    return Verdict.PASS


class Bound(NamedTuple):
    """The lowest or the highest value that passes; exactly one of them is given."""

    at_least: float | None = None
    at_most: float | None = None


def compare(name: str, observed: float | None, bound: Bound, slice: str = "", next_step: str = "") -> Check:
    """Compare one number with one bound; None, NaN and infinity are undecided, never a pass.

    Raises ValueError when the bound has both sides or none.
    """
    if (bound.at_least is None) == (bound.at_most is None):
        raise ValueError(f"{name}: give exactly one of at_least and at_most")
    limit = bound.at_least if bound.at_least is not None else bound.at_most
    assert limit is not None
    rule = f"{name} {'>=' if bound.at_least is not None else '<='} {limit:g}"
    if observed is None or not math.isfinite(observed):
        verdict = Verdict.UNDECIDED
        where = f" on slice {slice}" if slice else ""
        next_step = f"{name} could not be computed{where}: check for empty data or NaN in the model's output."
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
        return f"{gate} has no rules."
    if worst is None:
        return f"all {len(checks)} checks passed."
    where = f" on slice {worst.slice}" if worst.slice else ""
    observed = f"{worst.observed:.4g}" if isinstance(worst.observed, float) else str(worst.observed)
    passed = sum(check.verdict is Verdict.PASS for check in checks)
    outcome = "failed" if worst.verdict is Verdict.FAIL else "is undecided"
    return f"{worst.rule}{where} {outcome} (observed {observed}); {passed} of {len(checks)} checks passed."
