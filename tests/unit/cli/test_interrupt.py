"""Ctrl-C at any moment of a verb: none is lost, and what has to be cleaned up is."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mlops.cli.interrupt import ctrl_c_ends_imports

VERB = """
import sys
from mlops.cli import main
main.VERBS["wait"] = ("waiting:wait", "Wait.")
sys.argv = ["mlops", "wait"]
main.main()
"""
IMPORTS = """
import pathlib, time
try:
    pathlib.Path("begun").touch()
    time.sleep(60)
except BaseException:  # as Cython's modules do
    print("went on")
"""
WAITS = """
import click, pathlib, time

@click.command()
def wait() -> None:
    import colorsys  # an import that is over
    try:
        pathlib.Path("begun").touch()
        time.sleep(60)
    finally:
        print("cleaned up")
"""


@pytest.mark.parametrize(("module", "said"), [(IMPORTS, ""), (WAITS, "cleaned up\n")], ids=["imports", "works"])
def test_ctrl_c_ends_a_verb(tmp_path: Path, module: str, said: str) -> None:
    (tmp_path / "waiting.py").write_text(module)
    program = subprocess.Popen(
        [sys.executable, "-c", VERB], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    while not (tmp_path / "begun").exists():
        assert program.poll() is None, program.communicate()
        time.sleep(0.02)
    program.send_signal(signal.SIGINT)
    assert program.communicate(timeout=60) == (said, "\nAborted!\n")
    assert program.returncode == 1


def test_an_ignored_ctrl_c_stays_ignored_and_what_was_there_comes_back() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with ctrl_c_ends_imports():
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
        signal.signal(signal.SIGINT, signal.default_int_handler)
        with ctrl_c_ends_imports():
            assert signal.getsignal(signal.SIGINT) is not signal.default_int_handler
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)
