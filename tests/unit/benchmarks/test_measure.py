import sys
from pathlib import Path

import pytest

from benchmarks import measure

GREEDY = "import os; x=bytearray(60*2**20); os.fork() and os.wait(); import time; time.sleep(0.4); print('done')"


def test_memory_is_that_of_the_whole_tree_and_shared_pages_count_once(tmp_path: Path) -> None:
    measured = measure.run([sys.executable, "-c", GREEDY], environment={}, log=tmp_path / "log", sample_memory=True)
    assert "done" in measured.output
    assert measured.seconds >= 0.4
    assert 60 <= measured.peak_pss_mib < 115


def test_a_program_that_fails_is_no_measurement(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="ended with 3:\nthe reason"):
        measure.run([sys.executable, "-c", "import sys; sys.stderr.write('the reason'); sys.exit(3)"], environment={}, log=tmp_path / "log")
