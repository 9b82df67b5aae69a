"""A pool of Beam workers, each a process in a folder of its own that has the staged code alone.

Jobs go to Beam's embedded job server, or to Prism where its program is found: PRISM_BINARY, else `prism` on the PATH.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from core.beam.settings import Runner
from tests import beam_boot
from tests.free_port import free_port

JOB_SERVERS = ("embedded", "prism")
PRISM = os.environ.get("PRISM_BINARY") or shutil.which("prism")
WORKERS = 2


@contextmanager
def worker_pool(folder: Path, work: str, job_server: str = "embedded") -> Iterator[Runner]:
    """Start a pool, and give the runner whose jobs use it; `work` is what driver and workers both see."""
    if job_server == "prism" and not PRISM:
        pytest.skip("no prism: docs/scale.md says how to build it; set PRISM_BINARY, or put it on the PATH")
    folder.mkdir(parents=True)
    boot = folder / "boot"
    boot.write_text(f'#!/bin/sh\nexec {sys.executable} {beam_boot.__file__} "$@"\n')
    boot.chmod(0o755)
    port = free_port()
    command = [sys.executable, "-m", "apache_beam.runners.worker.worker_pool_main"]
    command += [f"--service_port={port}", f"--container_executable={boot}"]
    environment = {**os.environ, beam_boot.FOLDER: str(folder / "workers")}
    endpoint, commands = "embed", [command]
    if job_server == "prism":
        endpoint = f"localhost:{free_port()}"
        commands.append([str(PRISM), f"--job_port={endpoint.partition(':')[2]}", "--serve_http=false"])
    with (folder / "log").open("wb") as log:
        started = [
            subprocess.Popen(one, env=environment, stdout=log, stderr=log, cwd=folder, start_new_session=True)
            for one in commands
        ]
    try:
        yield Runner(
            runner="PortableRunner",
            options={
                "job_endpoint": endpoint,
                "environment_type": "EXTERNAL",
                "environment_config": f"localhost:{port}",
                "direct_num_workers": WORKERS,
            },
            work=work,
            connect_seconds=300,
        )
    finally:
        for process in started:
            os.killpg(process.pid, 15)
            process.wait()
