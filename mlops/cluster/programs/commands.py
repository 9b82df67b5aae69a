"""Calls docker, kind and kubectl in one way: no shell, a deadline, and errors that show the last lines of output."""

import ctypes
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, Any

from mlops.cluster.errors import CommandFailed
from mlops.cluster.settings import format_duration

_PDEATHSIG = 1
_LAST_LINES = 8


@dataclass(frozen=True)
class Done:
    """The exit code and output of a program."""

    code: int
    stdout: str
    stderr: str


class Commands:
    """Starts programs with an environment; DOCKER_HOST, DOCKER_CONFIG and KUBECONFIG are passed on."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.environment = dict(environment)

    def run(
        self,
        argv: Sequence[str],
        *,
        stdin: str = "",
        seconds: float = 60.0,
        on_line: Callable[[str], None] | None = None,
        check: bool = True,
    ) -> Done:
        """Run a program to its end; `on_line` gets every line of its standard error at once.

        Raises CommandFailed when it is not installed, takes longer than `seconds` or, with `check`, does not return 0.
        """
        lines: list[str] = []
        process = self._start(argv)
        stream, process.stderr = (
            process.stderr,
            None,
        )  # read line by line beside `communicate`, which takes care of the rest
        listener = threading.Thread(target=_listen, args=(stream, lines, on_line), daemon=True)
        listener.start()
        try:
            stdout = process.communicate(stdin, timeout=seconds)[0]
        except subprocess.TimeoutExpired as error:
            last = "\n".join(lines[-_LAST_LINES:])
            raise CommandFailed(
                f"`{command_text(argv)}` was not done after {format_duration(seconds)}{': ' if last else ''}{last}",
                last,
            ) from error
        finally:
            _end(process)
            listener.join(timeout=2)
        done = Done(process.returncode, stdout, "\n".join(lines))
        if check and done.code:
            last = "\n".join(lines[-_LAST_LINES:]) or stdout[-500:].strip() or "it wrote nothing"
            raise CommandFailed(f"`{command_text(argv)}` ended with {done.code}: {last}", last)
        return done

    def output(self, argv: Sequence[str], seconds: float = 20.0) -> str:
        """Return the standard output of a program, stripped; empty when it failed, is missing or took too long."""
        try:
            done = self.run(argv, seconds=seconds, check=False)
        except CommandFailed:
            return ""
        return done.stdout.strip() if done.code == 0 else ""

    def background(self, argv: Sequence[str]) -> "subprocess.Popen[str]":
        """Start a program that ends with the calling thread; CommandFailed when it is not installed."""
        return self._start(argv, subprocess.DEVNULL, subprocess.DEVNULL)

    def _start(
        self, argv: Sequence[str], stdin: int = subprocess.PIPE, stdout: int = subprocess.PIPE
    ) -> "subprocess.Popen[str]":
        try:
            return subprocess.Popen(  # noqa: S603 - a list, never a shell line
                list(argv),
                stdin=stdin,
                stdout=stdout,
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
                env=self.environment,
                start_new_session=True,
                preexec_fn=die_with_parent,  # noqa: PLW1509 - one prctl, no lock is touched
            )
        except OSError as error:
            raise CommandFailed(
                f"{argv[0]} cannot be started: {error.strerror}; `mlops cluster up --check` says how to get it"
            ) from error


def die_with_parent() -> None:
    """Make the kernel end this process when its parent dies, however that dies."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


def command_text(argv: Sequence[str]) -> str:
    """Return a command line as a person would type it, cut after 150 characters."""
    line = " ".join(argv)
    return line if len(line) <= 160 else f"{line[:150]} ..."


def parsed(text: str) -> Any:
    """Parse JSON that a program wrote; None when it is not JSON."""
    try:
        return json.loads(text)
    except ValueError:
        return None


def _listen(stream: IO[str], lines: list[str], on_line: Callable[[str], None] | None) -> None:
    with stream:
        for line in filter(None, map(str.rstrip, stream)):
            lines.append(line)
            if on_line:
                on_line(line)


def _end(process: "subprocess.Popen[str]") -> None:
    """End a program and the processes that it started, if they still run."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        if process.poll() is not None:
            return
        os.killpg(process.pid, number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=5)
