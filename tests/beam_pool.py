"""A pool of Beam workers, each a process in a folder of its own that has the staged code alone."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from core.beam.settings import Runner
from tests import beam_boot
from tests.free_port import free_port


@contextmanager
def worker_pool(folder: Path, work: str, workers: int = 2) -> Iterator[Runner]:
    """Start a pool, and give the runner whose jobs use it; `work` is what driver and workers both see."""
    folder.mkdir(parents=True)
    boot = folder / "boot"
    boot.write_text(f'#!/bin/sh\nexec {sys.executable} {beam_boot.__file__} "$@"\n')
    boot.chmod(0o755)
    port = free_port()
    command = [sys.executable, "-m", "apache_beam.runners.worker.worker_pool_main"]
    command += [f"--service_port={port}", f"--container_executable={boot}"]
    environment = {**os.environ, beam_boot.FOLDER: str(folder / "workers")}
    with (folder / "log").open("wb") as log:
        pool = subprocess.Popen(command, env=environment, stdout=log, stderr=log, cwd=folder, start_new_session=True)
    try:
        yield Runner(
            runner="PortableRunner",
            options={
                "job_endpoint": "embed",
                "environment_type": "EXTERNAL",
                "environment_config": f"localhost:{port}",
                "direct_num_workers": workers,
            },
            work=work,
            connect_seconds=300,
        )
    finally:
        os.killpg(pool.pid, 15)
        pool.wait()
