"""How an attempt ended; what it made is published, or set aside."""

import os
import re
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from localrun.cache.key import Key
from localrun.display.progress import memory
from localrun.environments.code import sees_folder
from localrun.environments.docker import DockerEnvironment
from localrun.environments.environment import image_name
from localrun.errors import LocalrunError, OutputError
from localrun.execution.context import Context, Job
from localrun.graph.nodes import task_runtime
from localrun.hosts.host import Message
from localrun.hosts.links import signal_name
from localrun.records import Artifact, State, TaskRun, Values
from localrun.spec.parameters import plain
from localrun.spec.pipeline import Importer
from localrun.spec.placeholders import fill_data
from localrun.store.digests import ABSENT, verify
from localrun.store.layout import discard, set_aside, tail

_NO_MEMORY = re.compile(
    r"^MemoryError\b|\bstd::bad_alloc\b|Cannot allocate memory|OOM when allocating|ArrayMemoryError", re.MULTILINE
)
"""What programs say last when they are refused more memory."""
_NOT_FOUND = re.compile(r"No module named '(?P<module>[^']+)'|No such file or directory: '(?P<file>[^']+)'")


@dataclass(frozen=True)
class Outcome:
    """What an attempt came to; `kept` is where a failed one's outputs lie."""

    state: State
    outputs: Values = field(default_factory=Values)
    error: str = ""
    seconds: float = 0.0
    max_rss_bytes: int = 0
    kept: Path | None = None
    key: Key = field(default_factory=Key)
    """What the result is kept under, or why it is not."""
    out_of_memory: bool = False
    is_final: bool = False
    """Whether another attempt would come to the same end."""

    def on_record(self, task: TaskRun, finished: datetime) -> TaskRun:
        """Return a task's record with how its last attempt went."""
        return replace(
            task,
            state=self.state,
            outputs=self.outputs,
            error=self.error,
            seconds=self.seconds,
            max_rss_bytes=self.max_rss_bytes,
            failed_outputs=self.kept,
            finished=finished,
        )


def conclude(context: Context, job: Job, message: Message, cancelled: str) -> Outcome:
    """Publish the outputs of an attempt that ended well; set those of any other aside."""
    attempt = job.attempt
    assert attempt is not None
    is_contained = isinstance(context.environment(job), DockerEnvironment)
    # What was measured of a container is the memory of docker's own command.
    seconds, peak = float(message.get("seconds", 0.0)), 0 if is_contained else int(message.get("max_rss", 0))
    reason = _how_it_ended(message) or _changed_input(context, job)
    if job.timed_out:
        reason = f"took longer than {context.options.limit(job.container.seconds):g} s; {reason or 'ended after that'}"
    try:
        if not reason:
            # A success stays one: a key that changed only says which code made the result is unknown.
            key = job.key.after(context.cache_key(job)) if job.key.value else job.key
            discard(attempt.scratch)
            return Outcome(State.SUCCEEDED, attempt.commit(key.value, context.digests), "", seconds, peak, key=key)
    except (LocalrunError, OSError, ValueError) as error:
        reason = str(error)
    finally:
        attempt.view.discard(context.digests, job.inputs)
    how = Outcome(State.FAILED, error=reason, seconds=seconds, max_rss_bytes=peak)
    return _failed(context, job, message, how, "" if job.timed_out else cancelled)


def _failed(context: Context, job: Job, message: Message, how: Outcome, cancelled: str) -> Outcome:
    """Keep the outputs of an attempt that did not end well, and say why it did not."""
    attempt = job.attempt
    assert attempt is not None
    kept = attempt.folder / "outputs"
    try:
        found = set_aside(attempt.staging, kept)
    except LocalrunError:
        found = False
    last_lines = tail(attempt.log)
    killed = bool(message.get("out_of_memory"))
    refused = bool(_NO_MEMORY.search("\n".join(last_lines.splitlines()[-5:])))
    reason = how.error + _what_lies_beside(context, job, last_lines)
    if cancelled:
        error = f"{cancelled}: {reason}"
    else:
        reason = f"out of memory: {reason}" if refused and not job.timed_out else reason
        error = f"{reason}; last lines of {attempt.log}:\n{last_lines}" if last_lines else reason
    return replace(
        how,
        state=State.CANCELLED if cancelled else State.FAILED,
        error=error,
        kept=kept if found else None,
        out_of_memory=killed or refused,
        # Alone it may fit where it did not beside others.
        is_final=refused or (killed and not message.get("beside")),
    )


def _what_lies_beside(context: Context, job: Job, log: str) -> str:
    """Say where a module or file is that a task did not find because its environment's folder is not its image's."""
    environment = context.environment(job)
    match = _NOT_FOUND.search(log)
    if match is None or sees_folder(job.container, job.inputs.parameters, environment):
        return ""
    cwd = Path(environment.cwd).absolute()
    module = (match["module"] or "").partition(".")[0]
    for name in (f"{module}.py", module) if module else (match["file"],):
        if (cwd / name).exists() and not name.startswith("/"):
            image = image_name(job.container.image)
            return f"; {name} is in {cwd}, which is no part of the image; `--image {image}={cwd}` says that it is"
    return ""


def _changed_input(context: Context, job: Job) -> str:
    """Say which input artifact a task has changed past its view of it, if any: the next reader must not see that."""
    problem = verify(job.inputs.every_artifact(), context.digests)
    return problem and f"an input artifact changed while the task ran; a task must write to its outputs: {problem}"


def _how_it_ended(message: Message) -> str:
    """Say in words why a process did not end well; empty when it did."""
    if "error" in message:
        return str(message["error"])
    code = os.waitstatus_to_exitcode(message["status"])
    if code == 0:
        return ""
    if message.get("out_of_memory"):
        return f"out of memory: killed by the kernel (SIGKILL) at {memory(message['max_rss'])}"
    return f"ended with exit code {code}" if code > 0 else f"killed by {signal_name(-code)}"


def import_artifact(context: Context, job: Job) -> Outcome:
    """Take something that lies on this machine in as an artifact."""
    importer = job.node.component.implementation
    assert isinstance(importer, Importer)
    uri = str(job.inputs.parameters.get("uri") or importer.uri)
    message = {"inputs": {"parameterValues": job.inputs.parameters, "artifacts": {}}}
    try:
        if "://" in uri and not uri.startswith("file://"):
            raise OutputError(f"cannot import {uri!r}: wanted a path or file:// on this machine")
        place = Path(uri.removeprefix("file://")).absolute()
        digest = context.digests.of(place)
        if digest == ABSENT:
            raise OutputError(f"cannot import {place}: nothing is there")
        metadata = plain(fill_data(importer.metadata, message, task_runtime(context.runtime, job.node)), "metadata")
    except (LocalrunError, OSError) as error:
        return Outcome(State.FAILED, error=str(error))
    (name, definition), *_ = job.node.component.output_artifacts.items()
    artifact = Artifact(
        name, definition.schema_title, definition.schema_version, str(place), digest, metadata, job.record.execution
    )
    return Outcome(State.SUCCEEDED, Values({}, {name: artifact}))
