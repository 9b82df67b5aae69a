"""checkov's policies over the workflows: none fails, and each that is skipped says why."""

import json
import os
import shutil
import subprocess
from pathlib import Path

from tests.infra.rendered import CHECKS, ROOT, needs_program


@needs_program("checkov")
def test_no_policy_fails_and_every_skip_has_its_reason(tmp_path: Path) -> None:
    shutil.copytree(ROOT / ".github", tmp_path / ".github")  # alone, since checkov walks through all that is beside it
    command = [CHECKS / "checkov", "--framework", "github_actions", "--directory", tmp_path, "--skip-download"]
    ran = subprocess.run(
        [*command, "--output", "json"],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env=os.environ | {"LOG_LEVEL": "ERROR"},
    )
    results = json.loads(ran.stdout)["results"]
    assert [f"{check['check_id']} {check['resource']}" for check in results["failed_checks"]] == []
    assert not results["parsing_errors"]
    assert len(results["passed_checks"]) > 80
    skipped = {check["file_path"]: check["check_result"]["suppress_comment"] for check in results["skipped_checks"]}
    assert {Path(path).name for path in skipped} == {"rollback.yml"}, (
        "checkov reads no file whose jobs only call others"
    )
    assert all(len(reason.split()) > 5 for reason in skipped.values())
