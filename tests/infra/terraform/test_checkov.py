"""checkov's policies over infra/: none fails, and every skip has its reason beside it."""

import json
import os
import subprocess

from tests.infra.rendered import CHECKS, needs_program
from tests.infra.terraform.parsed import INFRA

SKIPPED = {
    "CKV2_GCP_18",
    "CKV2_GCP_24",
    "CKV2_GCP_33",
    "CKV_GCP_62",
    "CKV_GCP_76",
    "CKV_GCP_83",
    "CKV_GCP_84",
    "CKV_GCP_125",
}


@needs_program("checkov")
def test_no_policy_fails_and_every_skip_has_its_reason() -> None:
    ran = subprocess.run(
        [CHECKS / "checkov", "--framework", "terraform", "--directory", INFRA, "--output", "json", "--skip-download"],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env=os.environ | {"LOG_LEVEL": "ERROR"},
    )
    results = json.loads(ran.stdout)["results"]
    assert [f"{check['check_id']} {check['resource']}" for check in results["failed_checks"]] == []
    assert not results["parsing_errors"]
    assert len(results["passed_checks"]) > 15
    skipped = {check["check_id"]: check["check_result"]["suppress_comment"] for check in results["skipped_checks"]}
    assert skipped.keys() == SKIPPED
    assert all(len(reason.split()) > 5 for reason in skipped.values())
