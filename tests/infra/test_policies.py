"""checkov's policies over what is rendered: none fails, and each that is skipped says why."""

import json
import os
import subprocess
from pathlib import Path

import yaml

from tests.infra.rendered import CHECKS, OVERLAYS, needs_kubectl, needs_program, of_kind, overlay

CHECKOV = CHECKS / "checkov"

pytestmark = [needs_kubectl, needs_program("checkov")]


def test_no_policy_fails(tmp_path: Path) -> None:
    for name in OVERLAYS:
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump_all(overlay(name)))
    arguments = [
        str(CHECKOV),
        "--framework",
        "kubernetes",
        "--directory",
        str(tmp_path),
        "--output",
        "json",
        "--quiet",
        "--skip-download",
    ]
    ran = subprocess.run(
        arguments, capture_output=True, text=True, timeout=300, check=False, env=os.environ | {"LOG_LEVEL": "ERROR"}
    )
    found = json.loads(ran.stdout)
    failed = [
        f"{check['check_id']} {check['resource']}: {check['check_name']}" for check in found["results"]["failed_checks"]
    ]
    assert not failed, failed
    assert not found["results"].get("parsing_errors")
    assert found["summary"]["passed"] > 100


def test_every_skip_has_its_reason_and_is_needed_somewhere() -> None:
    for item in (
        item for name in OVERLAYS for kind in ("Deployment", "CronJob") for item in of_kind(overlay(name), kind)
    ):
        skips = {
            key: value for key, value in item["metadata"]["annotations"].items() if key.startswith("checkov.io/skip")
        }
        assert skips
        for value in skips.values():
            check, _, reason = value.partition("=")
            assert check.startswith("CKV_K8S_")
            assert len(reason.split()) > 5, value
