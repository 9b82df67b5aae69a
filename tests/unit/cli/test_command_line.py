"""What a person gets back for arguments that are wrong."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from mlops.cli.main import main


class Ended(NamedTuple):
    """How a command ended."""

    code: Any
    stdout: str
    stderr: str


@pytest.fixture
def mlops(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Callable[..., Ended]:
    """Return a function that runs the program in this process; an error that it does not explain fails the test."""

    def run(*arguments: str, home: str) -> Ended:
        monkeypatch.setenv("MLOPS_HOME", home)
        monkeypatch.setattr(sys, "argv", ["mlops", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        return Ended(ended.value.code, *capfd.readouterr())

    return run


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("rum", "flight_delay"), 2, "did you mean 'run'"),
        (("run", "flight_dely"), 2, "did you mean 'flight_delay'"),
        (("run", "flight_delay", "--pipeline", "level11"), 2, "did you mean 'level1'"),
        (("run", "flight_delay", "--span", "x"), 2, "x"),
        (("compile", "nothing/here"), 2, "config.yaml"),
        (("runs", "show", "nope"), 1, "no run 'nope' that has ended"),
        (("runs", "resume", "nope"), 1, "no run 'nope'"),
        (("models", "rollback", "flight_delay"), 1, "flight_delay"),
        (("serve", "flight_delay"), 1, "mlops run flight_delay"),
        (("predict", "flight_delay", "rows.csv"), 2, "rows.csv"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_wrong_arguments_are_answered_in_one_message(
    mlops: Callable[..., Ended], tmp_path: Path, arguments: tuple[str, ...], code: int, message: str
) -> None:
    done = mlops(*arguments, home=str(tmp_path / "home"))
    assert message in done.stderr + done.stdout
    assert done.code == code, done.stderr
    assert "Traceback" not in done.stderr


def test_a_store_that_cannot_be_written_is_named(mlops: Callable[..., Ended]) -> None:
    done = mlops("run", "flight_delay", home="/proc/nowhere")
    assert done.code == 1
    assert "/proc/nowhere" in done.stderr
    assert "Traceback" not in done.stderr


def test_help_names_every_verb(mlops: Callable[..., Ended]) -> None:
    done = mlops("--help", home="")
    for verb in ("compile", "doctor", "models", "predict", "run", "runs", "schema", "serve"):
        assert f"  {verb} " in done.stdout


def test_the_program_answers_as_a_process_of_its_own() -> None:
    command = [sys.executable, "-m", "mlops.cli.main", "run", "flight_dely"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "did you mean 'flight_delay'" in done.stderr
    assert "Traceback" not in done.stderr
