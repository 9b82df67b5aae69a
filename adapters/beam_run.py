"""Runs a Beam pipeline on the runner of the configuration: with the code, within deadlines, with the project's errors.

A pipeline must be one that can be run again: its workers write files under names of their own, atomically.
"""

import logging
import re
import socket
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import apache_beam as beam
import grpc
from apache_beam.options.pipeline_options import PipelineOptions

from adapters.beam_flags import flags, packages
from adapters.beam_workers import DEAD, forked_workers
from core import errors
from core.beam.settings import Runner
from core.errors import ConfigError, MlopsError

log = logging.getLogger(__name__)
_OURS = re.compile(r"(?:^|\n)\s*(?:core\.errors\.)?(\w+): (.+?)(?: \[while running .*?\])?(?=\n|$)", re.DOTALL)
_WHILE = re.compile(r" \[while running '.*'\]$", re.DOTALL)
_ADDRESSES = ("job_endpoint", "flink_master", "environment_config")
"""Options that name a service which must answer before a job is sent."""


class RunnerUnreachable(MlopsError):
    """A runner does not accept a job."""


def run(runner: Runner, build: Callable[[beam.Pipeline], object], use_case: Path | None = None) -> None:
    """Build and run a pipeline until it is done; `use_case` is the folder whose code the workers need.

    Raises RunnerUnreachable when the runner does not accept the job in `connect_seconds`, and whatever error of
    `core.errors` a worker raised.
    """
    _check_services(runner)
    with forked_workers(runner):
        _run(runner, build, use_case)


def _run(runner: Runner, build: Callable[[beam.Pipeline], object], use_case: Path | None) -> None:
    attempts = runner.attempts if runner.is_local_process else 1
    for attempt in range(1, attempts + 1):
        try:
            _run_once(runner, build, use_case)
            return
        except Exception as error:
            if attempt == attempts or DEAD not in str(error):
                raise _translated(error) from error
            log.warning("%s; attempt %d of %d", DEAD, attempt + 1, attempts)


def _run_once(runner: Runner, build: Callable[[beam.Pipeline], object], use_case: Path | None) -> None:
    with tempfile.TemporaryDirectory(prefix="mlops-beam-") as folder:
        arguments = flags(runner, packages(runner, Path(folder), use_case))
        if runner.is_local_process:
            _built(arguments, build).run().wait_until_finish()
        else:
            _submitted(runner, lambda: _built(arguments, build).run()).wait_until_finish()


def _built(arguments: list[str], build: Callable[[beam.Pipeline], object]) -> beam.Pipeline:
    try:
        pipeline = beam.Pipeline(options=PipelineOptions(arguments))
    except SystemExit:  # Beam parses options as a command line does, and has said on stderr what is wrong
        raise ConfigError(
            f"config.yaml: beam: wanted options of Beam, got {' '.join(arguments)}; correct beam.<world>.options"
        ) from None
    build(pipeline)
    return pipeline


def _submitted(runner: Runner, submit_job: Callable[[], Any]) -> Any:
    """Build and submit a job in a thread that can be waited for: clients retry for minutes, also to check a bucket."""
    done: list[Any] = []

    def submit() -> None:
        try:
            done.append(submit_job())
        except Exception as error:
            done.append(error)

    thread = threading.Thread(target=submit, name="beam-submit", daemon=True)
    thread.start()
    thread.join(runner.connect_seconds)
    if not done:
        raise RunnerUnreachable(_unreachable(runner, f"it did not accept the job in {runner.connect_seconds:g} s"))
    if isinstance(done[0], Exception):
        raise done[0]
    return done[0]


def _check_services(runner: Runner) -> None:
    """Raise RunnerUnreachable for a service that does not answer within the deadline."""
    for name in _ADDRESSES:
        address = str(runner.options.get(name, ""))
        place = address.partition("//")[2] if "://" in address else address
        if not re.fullmatch(r"[\w.\-]+:\d+", place):
            continue
        channel = grpc.insecure_channel(place) if name != "flink_master" else None
        try:
            _connect(place, channel, runner.connect_seconds)
        except (OSError, grpc.FutureTimeoutError) as error:
            reason = f"{name} {address} does not answer ({type(error).__name__})"
            raise RunnerUnreachable(_unreachable(runner, reason)) from error
        finally:
            if channel is not None:
                channel.close()


def _connect(place: str, channel: Any, seconds: float) -> None:
    if channel is not None:
        grpc.channel_ready_future(channel).result(timeout=seconds)
        return
    parts = urlsplit(f"//{place}")
    socket.create_connection((parts.hostname or "", parts.port or 0), timeout=seconds).close()


def _unreachable(runner: Runner, reason: str) -> str:
    return (
        f"config.yaml: beam: wanted {runner.runner} to accept a job, but {reason}; check that the service is up and "
        "that this machine reaches it (port, NetworkPolicy, region, permissions), or raise connect_seconds"
    )


def _translated(error: Exception) -> Exception:
    """Return the project's error that a worker raised, without Beam's additions; else the error itself."""
    if isinstance(error, MlopsError):
        return type(error)(_WHILE.sub("", str(error)))
    for name, message in reversed(_OURS.findall(str(error))):
        kind = getattr(errors, name, None)
        if isinstance(kind, type) and issubclass(kind, MlopsError):
            return kind(message.strip())
    return error
