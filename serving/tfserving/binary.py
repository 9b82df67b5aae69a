"""Runs TensorFlow Serving's own binary; our processes fill its folder, keep its configuration and supervise it."""

import http.client
import json
import logging
import os
import shutil
import signal
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

from core.errors import MlopsError, UsageError
from serving.processes import process

Engine = Literal["mlops", "tensorflow_serving"]
"""Which server answers: this project's own, or TensorFlow Serving's."""
BINARY = "tensorflow_model_server"
MONITORING_PATH = "/monitoring/prometheus/metrics"
_POLL_SECONDS = 1
_ASK_SECONDS = 2.0
_LOG = logging.getLogger("serving")
_MONITORING = f'prometheus_config {{ enable: true path: "{MONITORING_PATH}" }}\n'


@dataclass(frozen=True)
class Launch:
    """How the binary is run as a server."""

    config: Path
    """The model configuration, which the binary polls."""
    port: int
    """For REST; it listens on every address of the machine."""
    grpc_port: int
    drain_seconds: float
    """After SIGTERM, how long it keeps answering: it has no readiness of its own to turn off."""
    finish_seconds: float = 20.0
    """After that, how long it may take to end."""


def find_binary() -> str:
    """Return the path of the binary; UsageError when this machine or image has none."""
    found = shutil.which(BINARY)
    if found is None:
        raise UsageError(
            f"engine tensorflow_serving: wanted {BINARY} on PATH, got none; "
            "build the serving image with it, or serve with --engine mlops"
        )
    return found


def command_line(rest_port: int, grpc_port: int, *more: str) -> list[str]:
    """Return the command line of the binary."""
    return [find_binary(), f"--rest_api_port={rest_port}", f"--port={grpc_port}", *more]


def run(launch: Launch) -> None:
    """Run the binary until SIGTERM, as soon as a model can be served; MlopsError when it ends by itself."""
    watched = (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD)
    signal.pthread_sigmask(signal.SIG_BLOCK, watched)
    # Started without a model it would end, or never load one, depending on its version.
    while not (launch.config.exists() and b"config {" in launch.config.read_bytes()):
        if signal.sigtimedwait(watched, 0.1) is not None:
            return
    monitoring = launch.config.with_name("monitoring.config")
    monitoring.write_text(_MONITORING, encoding="ascii")
    files = [
        f"--model_config_file={launch.config}",
        f"--model_config_file_poll_wait_seconds={_POLL_SECONDS}",
        f"--monitoring_config_file={monitoring}",
    ]
    command = command_line(launch.port, launch.grpc_port, *files)
    child = process.fork(partial(_become, command), signal.SIGTERM)
    if signal.sigwait(watched) == signal.SIGCHLD:
        raise MlopsError(f"{command[0]} ended with {process.ending(os.waitpid(child, 0)[1])}")
    _end(child, launch)


def _become(command: list[str]) -> None:
    """Run the binary in this process, in a group of its own: a terminal's Ctrl-C would end it without draining."""
    os.setpgid(0, 0)
    os.execv(command[0], command)  # noqa: S606 - a path and flags of our own


def _end(child: int, launch: Launch) -> None:
    """Let the binary answer until load balancers have removed it, then end it."""
    _LOG.info("draining for %g s", launch.drain_seconds)
    signal.sigtimedwait([signal.SIGCHLD], launch.drain_seconds)
    for number, patience in ((signal.SIGTERM, launch.finish_seconds), (signal.SIGKILL, 5.0)):
        if os.waitpid(child, os.WNOHANG)[0]:
            return
        os.kill(child, number)
        signal.sigtimedwait([signal.SIGCHLD], patience)


def available(port: int, name: str) -> frozenset[int]:
    """Ask a running server which versions of a model answer; empty when it does not reply."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_ASK_SECONDS)
    try:
        connection.request("GET", f"/v1/models/{name}")
        response = connection.getresponse()
        listed = json.loads(response.read())["model_version_status"] if response.status == 200 else []
        return frozenset(int(entry["version"]) for entry in listed if entry["state"] == "AVAILABLE")
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError):
        return frozenset()
    finally:
        connection.close()
