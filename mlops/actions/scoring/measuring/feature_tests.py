"""Runs the tests of the use case's module, and measures which of its lines and branches they run."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from core.errors import MlopsError
from mlops.actions.scoring.measuring.bench import Bench
from mlops.actions.scoring.subject import Subject

_SECONDS = 3600.0


def measure(bench: Bench) -> dict[str, Any]:
    """Return whether the tests pass, and the coverage of module.py."""
    subject = bench.subject
    tests = test_folder(subject)
    if tests is None:
        raise MlopsError(f"no tests: write them to {subject.usecase.folder / 'tests'}")
    module = subject.usecase.folder / "module.py"
    with tempfile.TemporaryDirectory(prefix="tests-") as temporary:
        data, report = Path(temporary, "coverage"), Path(temporary, "tests.xml")
        run = ["run", "--branch", f"--include={module}", f"--data-file={data}", "-m", "pytest", "-q", "-n0", str(tests)]
        settings = ["-p", "no:cacheprovider", f"--junitxml={report}"]
        ended = _coverage(subject, [*run, *settings])
        if not report.is_file():
            raise MlopsError(f"{tests}: the tests cannot be run: {(ended.stdout + ended.stderr)[-400:]}")
        _coverage(
            subject, ["json", f"--data-file={data}", f"--include={module}", "-o", str(Path(temporary, "report.json"))]
        )
        cases = list(ET.fromstring(report.read_bytes()).iter("testcase"))  # noqa: S314 - written by our own tests
        found = _covered(Path(temporary, "report.json"))
    skipped = sum(case.find("skipped") is not None for case in cases)
    return {"tests": len(cases) - skipped, "passed": ended.returncode == 0, "folder": str(tests)} | found


def test_folder(subject: Subject) -> Path | None:
    """Return the folder of a use case's tests: in its own, or in the project's; None when there is none."""
    places = (subject.usecase.folder / "tests", subject.root / "tests" / "usecase" / subject.usecase.folder.name)
    return next((place for place in places if any(place.glob("test_*.py"))), None)


def _coverage(subject: Subject, arguments: list[str]) -> "subprocess.CompletedProcess[str]":
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("COVERAGE_", "PYTEST_"))}
    return subprocess.run(  # noqa: S603 - our own command line
        [sys.executable, "-m", "coverage", *arguments],
        cwd=subject.root,
        env=environment,
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )


def _covered(report: Path) -> dict[str, Any]:
    """Return the share of lines and branches, and the lines that no test runs."""
    if not report.is_file():
        return {"coverage": 0.0, "missing": "all"}
    files = json.loads(report.read_text(encoding="utf-8"))["files"]
    if not files:
        return {"coverage": 0.0, "missing": "all"}
    (one,) = files.values()
    return {
        "coverage": one["summary"]["percent_covered"] / 100,
        "missing": ", ".join(map(str, one["missing_lines"][:20])) or "none",
    }
