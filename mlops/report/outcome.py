"""The outcome of a run: the decisions of its gates, its pictures, what was pushed, and what to do next."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import Any, Literal

from core.beam.choice import logged
from core.decision import Decision, Verdict
from mlops.report.wording import WORDINGS, Wording
from mlops.runs.record import Run, State, Task
from pipelines.kinds import Kind

_OWN_ERROR = re.compile(r"^core\.errors\.\w+: (.+)$", re.MULTILINE)
"""The line of a traceback that has an error's message, of errors that are written for users."""

RELEASE_GATE = "promote_release"
"""The gate that decides after a model was pushed."""


@dataclass(frozen=True)
class TaskOutcome:
    """One task of a run; times in seconds, `offset` from the start of the run."""

    name: str
    """Its short name; its whole path where the name is not unique, as in a loop."""
    state: str
    cached: bool
    seconds: float
    offset: float = 0.0
    memory_mib: float | None = None
    error: str = ""
    log: Path | None = None
    decision: Decision | None = None
    pictures: Path | None = None
    engine: str = ""
    """Where it read all data, and why: in its process or on Beam; empty for a stage that has no choice, and without
    its log."""
    path: str = ""
    """Its name after the names of the groups it is in, such as `condition-1/push-model`."""


@dataclass(frozen=True)
class Pushed:
    """A model version that the run published."""

    name: str
    version: int
    path: str
    digest: str
    in_production: bool = True
    """Whether it is the champion now; otherwise a person promotes it."""


@dataclass(frozen=True)
class Outcome:
    """What came out of a whole run."""

    run: Run
    tasks: tuple[TaskOutcome, ...]
    pushed: Pushed | None = None

    @property
    def state(self) -> State:
        """The state of the run."""
        return self.run.state

    @property
    def decisions(self) -> tuple[Decision, ...]:
        """The decisions of all gates that were reached, in the order of the tasks."""
        return tuple(task.decision for task in self.tasks if task.decision is not None)

    @property
    def closed(self) -> Decision | None:
        """The first closed gate; after a push that of the release alone, because other closed gates were waived."""
        closed = (decision for decision in self.decisions if not decision.is_open)
        return next((one for one in closed if self.pushed is None or one.gate == RELEASE_GATE), None)

    @property
    def failed(self) -> TaskOutcome | None:
        """The first task that failed; of a loop that failed, the first of its own tasks, which has a log."""
        failed = [task for task in self.tasks if task.state == "FAILED"]
        return next((task for task in failed if task.log is not None), failed[0] if failed else None)

    @property
    def verdict(self) -> Literal["pass", "fail", "undecided"]:
        """The colour of the whole run: a closed gate or a failed task is not `pass`."""
        if self.closed is not None:
            return self.closed.verdict.value
        return "pass" if self.state is State.SUCCEEDED else "fail"

    @property
    def headline(self) -> str:
        """The run in one sentence."""
        if self.pushed is not None:
            where = "in production" if self.pushed.in_production else "published; a person has to promote it"
            return f"Version {self.pushed.version} of {self.pushed.name} is {where}."
        if self.closed is not None:
            verdict = "could not decide" if self.closed.verdict.value == "undecided" else "did not pass"
            return f"{self._wording.closed}: {self.closed.gate} {verdict}."
        broken = self._wording.broken or self._wording.closed
        if self.failed is not None:
            return f"{broken}: {self.failed.name} failed."
        if self.state is not State.SUCCEEDED:
            return f"{broken}: the run was {self.state.lower()}."
        return self._wording.done

    @property
    def reason(self) -> str:
        """Why, in one more sentence; empty when there is nothing to add."""
        if self.closed is not None:
            return self.closed.summary
        last_traceback = self.failed.error.rpartition("Traceback (most recent call last):")[2] if self.failed else ""
        message = _OWN_ERROR.search(last_traceback)
        return message[1] if message is not None else ""

    @property
    def next_step(self) -> str:
        """What to do next: a sentence, or a command."""
        if self.closed is not None:
            return self.closed.next_step
        if self.failed is not None:
            # A run is pinned to its code and configuration: what was changed to fix it is part of a new run only.
            anew = "run the same command again, or, if neither code nor configuration changed: "
            return f"Read {self.failed.log}, fix the cause, then {anew if self._is_here else ''}{self._again}"
        if self.state is not State.SUCCEEDED:
            return self._again
        submission = self.run.submission
        if self.pushed is not None and self.pushed.in_production:
            listed = f"mlops models list {self.pushed.name} --at {submission.world}"
            served = f"mlops serve {quote(submission.cli_name)}"
            return served if self._is_here else f"{listed}; the model server there serves it already"
        if self._is_here or submission.kind is not Kind.TRAINING:
            return self._wording.next_step.format(run=self.run.run_id)
        return f"mlops submit {quote(submission.cli_name)} --at {submission.world} --wait --pipeline level1"

    @property
    def exit_code(self) -> int:
        """0 done, 3 a gate is closed, 1 anything else failed; a monitor that could not decide all raises no alarm."""
        if self.closed is not None:
            is_alarm = self.closed.verdict is Verdict.FAIL or self.run.submission.kind is not Kind.MONITORING
            return 3 if is_alarm else 0
        return 0 if self.state is State.SUCCEEDED else 1

    @property
    def _wording(self) -> Wording:
        return WORDINGS[self.run.submission.kind]

    @property
    def _is_here(self) -> bool:
        return self.run.submission.world == "laptop"

    @property
    def _again(self) -> str:
        """The command that resumes the run, or submits it again where the world cannot resume."""
        submission = self.run.submission
        if self._is_here:
            return f"mlops runs resume {self.run.run_id}"
        pipeline = "" if submission.pipeline == "level1" else f" --pipeline {submission.pipeline}"
        return f"mlops submit {quote(submission.cli_name)} --at {submission.world} --wait{pipeline}"

    def as_json(self, report: Path | None) -> dict[str, Any]:
        """Return the outcome as plain values, with the path of its report."""
        run, pushed = self.run, self.pushed
        return {
            "run_id": run.run_id,
            "usecase": run.submission.usecase,
            "pipeline": run.pipeline,
            "kind": run.submission.kind.value,
            "world": run.submission.world,
            "state": self.state.value,
            "started": started(run),
            "seconds": round(run.seconds, 3),
            "headline": self.headline,
            "reason": self.reason,
            "next_step": self.next_step,
            "parameters": dict(run.parameters),
            "tasks": [_task_json(task) for task in self.tasks],
            "decisions": [decision.model_dump(mode="json") for decision in self.decisions],
            "pushed_model": vars(pushed) if pushed is not None else None,
            "report": str(report) if report else None,
        }


def outcome_of(run: Run) -> Outcome:
    """Read the outputs of a run's tasks: decisions, pictures and what was pushed."""
    return Outcome(run, tuple(_task(task, run) for task in run.tasks), _pushed(run))


def started(run: Run) -> str:
    """Format the start of a run, such as `2026-11-28 06:00:00 UTC`."""
    return run.started.strftime("%Y-%m-%d %H:%M:%S UTC")


def _task(task: Task, run: Run) -> TaskOutcome:
    offset = (task.started - run.started).total_seconds() if task.started and not task.cached else 0.0
    decision = task.output_file("decision")
    return TaskOutcome(
        name=_name(task, run),
        state=task.state.value,
        cached=task.cached,
        seconds=0.0 if task.cached else task.seconds,
        offset=max(offset, 0.0),
        memory_mib=None if task.cached or not task.max_rss_bytes else task.max_rss_bytes / 2**20,
        error=task.error,
        log=task.log,
        decision=Decision.read(decision) if decision else None,
        pictures=task.output_file("pictures"),
        engine=_engine(task.log),
        path=task.path,
    )


def _engine(log: Path | None) -> str:
    return logged(log.read_text(encoding="utf-8", errors="replace")) if log is not None and log.is_file() else ""


def _name(task: Task, run: Run) -> str:
    is_alone = sum(other.name == task.name for other in run.tasks) == 1
    return task.name if is_alone and "[" not in task.path else task.path


def _pushed(run: Run) -> Pushed | None:
    """Read the first `pushed` output that is not null, which a closed gate writes."""
    for task in run.tasks:
        path = task.output_file("pushed") if task.state is State.SUCCEEDED else None
        content: dict[str, Any] | None = json.loads(path.read_text(encoding="utf-8")) if path else None
        if content is not None:
            return Pushed(**content)
    return None


def _task_json(task: TaskOutcome) -> dict[str, Any]:
    facts = {
        "name": task.name,
        "path": task.path or task.name,
        "state": task.state,
        "cached": task.cached,
        "seconds": round(task.seconds, 3),
        "memory_mib": task.memory_mib,
        **({"engine": task.engine} if task.engine else {}),
    }
    return facts | ({"error": task.error, "log": str(task.log)} if task.error else {})
