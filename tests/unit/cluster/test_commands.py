"""Programs that the cluster's verbs start end with them."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

CALLER = """
import os, time
from mlops.cluster.programs.commands import Commands

program = Commands({"PATH": os.environ["PATH"]}).background(["sleep", "600"])
print(program.pid, flush=True)
time.sleep(600)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process that its parent died")
def test_a_program_dies_with_its_caller() -> None:
    caller = subprocess.Popen(
        [sys.executable, "-c", CALLER], stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[3]
    )
    with caller:
        assert caller.stdout is not None
        program = Path("/proc") / caller.stdout.readline().strip()
        assert program.is_dir()
        caller.kill()
    deadline = time.monotonic() + 120
    while _lives(program) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _lives(program)


def _lives(process: Path) -> bool:
    """Whether a process has not ended; one that nobody has waited for has."""
    try:
        state = (process / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "ZX"
