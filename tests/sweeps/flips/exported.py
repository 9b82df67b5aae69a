"""The export of a run, for `mlops verify`."""

import json
import os
import subprocess
import sys
from pathlib import Path

from core.decision import Verdict
from core.errors import CorruptArtifact
from mlops.actions.verification.checks import of_folder
from mlops.actions.verification.export import INDEX
from tests.sweeps.flips.kind import Kind


def trained(folder: Path) -> Path:
    """Train the model of a use case in a store of its own, and export the run."""
    environment = os.environ | {"MLOPS_HOME": str(folder / "home"), "MLOPS_WARM": "off"}

    def call(*arguments: str) -> str:
        command = [sys.executable, "-m", "mlops.cli.main", *arguments, "--json"]
        return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout

    run_id = json.loads(call("run", "flight_delay"))["run_id"]
    call("runs", "export", run_id, "-o", str(folder / "export"))
    return folder / "export"


def kind_of(folder: Path) -> Kind:
    """Return its files; the index is read first, and named as the whole."""
    if not of_folder(folder).is_open:
        raise CorruptArtifact(f"{folder}: it differs from its digests already; export the run again")
    files = tuple(path for path in sorted(folder.rglob("*")) if path.is_file() and path.stat().st_size)

    def read(_: Path) -> None:
        decision = of_folder(folder)
        failed = [check.rule for check in decision.checks if check.verdict is Verdict.FAIL]
        if failed or not decision.is_open:
            raise CorruptArtifact("; ".join(failed))

    def names(path: Path) -> str:
        name = path.relative_to(folder).as_posix()
        return INDEX if name == INDEX else f"file {name}"

    return Kind(files, read, names)
