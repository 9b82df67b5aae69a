"""What a person gets back for arguments that are wrong, and how fast."""

import os
import subprocess
import sys
from pathlib import Path

import pytest


def _mlops(*arguments: str, home: str = "") -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "MLOPS_HOME": home}
    return subprocess.run(
        [sys.executable, "-m", "mlops.cli.main", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


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
    tmp_path: Path, arguments: tuple[str, ...], code: int, message: str
) -> None:
    done = _mlops(*arguments, home=str(tmp_path / "home"))
    assert message in done.stderr + done.stdout
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr


def test_a_store_that_cannot_be_written_is_named() -> None:
    done = _mlops("run", "flight_delay", home="/proc/nowhere")
    assert done.returncode == 1
    assert "/proc/nowhere" in done.stderr
    assert "Traceback" not in done.stderr


def test_help_names_every_verb() -> None:
    done = _mlops("--help")
    for verb in ("compile", "doctor", "models", "predict", "run", "runs", "schema", "serve"):
        assert f"  {verb} " in done.stdout
