"""What came out of a run, in the words of the product: states, decisions, pictures, and what was pushed."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from core.decision import Decision

State = Literal["SUCCEEDED", "FAILED", "CANCELLED", "RUNNING"]


@dataclass(frozen=True)
class TaskOutcome:
    """One task of a run; times in seconds, `offset` from the start of the run."""

    name: str
    state: str
    cached: bool
    seconds: float
    offset: float = 0.0
    memory_mib: float | None = None
    error: str = ""
    log: Path | None = None
    decision: Decision | None = None
    pictures: Path | None = None


@dataclass(frozen=True)
class Pushed:
    """A model version that the run published."""

    name: str
    version: int
    path: str
    digest: str


@dataclass(frozen=True)
class Outcome:
    """A whole run."""

    run_id: str
    usecase: str
    pipeline: str
    state: State
    started: str
    seconds: float
    parameters: dict[str, Any]
    tasks: tuple[TaskOutcome, ...]
    pushed: Pushed | None
    world: str = "laptop"
    """Where it ran; what a person does next differs."""

    @property
    def decisions(self) -> tuple[Decision, ...]:
        """The decisions of all gates that were reached, in the order of the tasks."""
        return tuple(task.decision for task in self.tasks if task.decision is not None)

    @property
    def closed(self) -> Decision | None:
        """The first gate that stopped the model; one that did not keep it from being pushed was waived."""
        if self.pushed is not None:
            return None
        return next((decision for decision in self.decisions if not decision.is_open), None)

    @property
    def failed(self) -> TaskOutcome | None:
        """The first task that failed."""
        return next((task for task in self.tasks if task.state == "FAILED"), None)

    @property
    def verdict(self) -> Literal["pass", "fail", "undecided"]:
        """The colour of the whole run: a push or a finished experiment passes, a closed gate or a failed task does not."""
        if self.closed is not None:
            return self.closed.verdict.value
        return "pass" if self.state == "SUCCEEDED" else "fail"

    @property
    def headline(self) -> str:
        """The run in one sentence."""
        if self.pushed is not None:
            return f"Version {self.pushed.version} of {self.pushed.name} is in production."
        if self.closed is not None:
            said = "could not decide" if self.closed.verdict.value == "undecided" else "said no"
            return f"Nothing was pushed: {self.closed.gate} {said}."
        if self.failed is not None:
            return f"Nothing was pushed: {self.failed.name} failed."
        if self.state != "SUCCEEDED":
            return f"Nothing was pushed: the run was {self.state.lower()}."
        return "The experiment is done; every gate is open, and pushing is a person's decision."

    @property
    def reason(self) -> str:
        """Why, in one more sentence; empty when there is nothing to add."""
        return self.closed.summary if self.closed is not None else ""

    @property
    def next_step(self) -> str:
        """What a person does next."""
        if self.closed is not None:
            return self.closed.next_step
        on_laptop = self.world == "laptop"
        again = (
            f"mlops runs resume {self.run_id}" if on_laptop else f"mlops submit {self.usecase} --to {self.world} --wait"
        )
        if self.failed is not None:
            return f"Read {self.failed.log}, mend the cause, then: {again}"
        if self.state != "SUCCEEDED":
            return again
        if self.pushed:
            return (
                f"mlops serve {self.usecase}"
                if on_laptop
                else f"mlops models list {self.usecase} --at {self.world}; the model server there has it already"
            )
        return f"mlops models push {self.run_id}" if on_laptop else f"{again} --pipeline level1"

    @property
    def exit_code(self) -> int:
        """0 done, 3 a gate said no, 1 anything else that failed."""
        if self.closed is not None:
            return 3
        return 0 if self.state == "SUCCEEDED" else 1

    def as_json(self, report: Path | None) -> dict[str, Any]:
        """The same facts for a machine."""
        return {
            "run_id": self.run_id,
            "usecase": self.usecase,
            "pipeline": self.pipeline,
            "state": self.state,
            "started": self.started,
            "seconds": round(self.seconds, 3),
            "headline": self.headline,
            "reason": self.reason,
            "next_step": self.next_step,
            "parameters": self.parameters,
            "tasks": [
                {
                    "name": task.name,
                    "state": task.state,
                    "cached": task.cached,
                    "seconds": round(task.seconds, 3),
                    "memory_mib": task.memory_mib,
                }
                | ({"error": task.error, "log": str(task.log)} if task.error else {})
                for task in self.tasks
            ],
            "decisions": [decision.model_dump(mode="json") for decision in self.decisions],
            "pushed_model": None
            if self.pushed is None
            else {
                "name": self.pushed.name,
                "version": self.pushed.version,
                "path": self.pushed.path,
                "digest": self.pushed.digest,
            },
            "report": str(report) if report else None,
        }
