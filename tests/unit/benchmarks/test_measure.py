import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import measure

GREEDY = "import os; x=bytearray(60*2**20); os.fork() and os.wait(); import time; time.sleep(1.5); print('done')"
ORPHANING = """
import os, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
print(child.pid, flush=True)
os._exit(0)
"""


def _where(folder: Path) -> measure.Where:
    return measure.Where({}, folder / "log")


def test_memory_is_that_of_the_whole_tree_and_shared_pages_count_once(tmp_path: Path) -> None:
    measured = measure.run([sys.executable, "-c", GREEDY], _where(tmp_path), sample_memory=True)
    assert "done" in measured.output
    assert measured.seconds >= 1.5
    assert measured.peak_pss_mib is not None
    assert 60 <= measured.peak_pss_mib < 115


def test_a_program_that_fails_is_no_measurement(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="ended with 3:\nthe reason"):
        measure.run([sys.executable, "-c", "import sys; sys.stderr.write('the reason'); sys.exit(3)"], _where(tmp_path))


def test_what_a_program_orphans_ends_with_it_and_nothing_else_does(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) as other:
        measured = measure.run([sys.executable, "-c", ORPHANING], _where(tmp_path))
        assert not Path(f"/proc/{int(measured.output)}").exists()
        assert other.poll() is None
        other.kill()


def test_bytecode_is_kept_as_on_a_users_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    assert "PYTHONDONTWRITEBYTECODE" not in measure.environment({})
    assert measure.environment({"MLOPS_HOME": "x"})["MLOPS_HOME"] == "x"
