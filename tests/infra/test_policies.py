"""checkov's policies over all that it knows of here: none fails, and each that is skipped says why."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.infra.rendered import CHECKS, OVERLAYS, ROOT, needs_kubectl, needs_program, of_kind, overlay
from tests.infra.terraform.parsed import INFRA

OF_TERRAFORM = {
    "CKV2_GCP_18",
    "CKV2_GCP_24",
    "CKV2_GCP_33",
    "CKV_GCP_62",
    "CKV_GCP_76",
    "CKV_GCP_83",
    "CKV_GCP_84",
    "CKV_GCP_125",
}
OF_THE_DOCKERFILE = {"CKV_DOCKER_2", "CKV_DOCKER_7"}
"""Policies that are skipped."""

pytestmark = needs_program("checkov")


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What one call says of each kind of file: its imports take longer than its checks."""
    folder = tmp_path_factory.mktemp("checked")  # alone, since checkov walks through all that is beside it
    shutil.copytree(ROOT / ".github", folder / ".github")
    shutil.copytree(INFRA, folder / "infra", ignore=shutil.ignore_patterns(".terraform*"))
    shutil.copyfile(ROOT / "Dockerfile", folder / "Dockerfile")
    for name in OVERLAYS if shutil.which("kubectl") else ():
        (folder / f"{name}.yaml").write_text(yaml.dump_all(overlay(name), Dumper=yaml.CSafeDumper))
    kinds = ("terraform", "dockerfile", "github_actions", "kubernetes")
    ran = subprocess.run(
        [CHECKS / "checkov", "--framework", *kinds, "--directory", folder, "--output", "json", "--skip-download"],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env=os.environ | {"LOG_LEVEL": "ERROR"},
    )
    return {report["check_type"]: report for report in json.loads(ran.stdout)}


def skipped(report: Any, by: str) -> dict[str, str]:
    """Return the reasons of what was skipped, by a field of the check."""
    return {check[by]: check["check_result"]["suppress_comment"] for check in report["results"]["skipped_checks"]}


def is_reason(text: str) -> bool:
    return len(text.split()) > 5


@pytest.mark.parametrize(
    ("kind", "least"),
    [
        ("terraform", 15),
        ("dockerfile", 100),
        ("github_actions", 80),
        pytest.param("kubernetes", 100, marks=needs_kubectl),
    ],
)
def test_no_policy_fails(reports: dict[str, Any], kind: str, least: int) -> None:
    results = reports[kind]["results"]
    assert [
        f"{check['check_id']} {check['resource']}: {check['check_name']}" for check in results["failed_checks"]
    ] == []
    assert not results.get("parsing_errors")
    assert len(results["passed_checks"]) > least


@pytest.mark.parametrize(("kind", "ids"), [("terraform", OF_TERRAFORM), ("dockerfile", OF_THE_DOCKERFILE)])
def test_every_skip_is_known_and_has_its_reason(reports: dict[str, Any], kind: str, ids: set[str]) -> None:
    found = skipped(reports[kind], "check_id")
    assert found.keys() == ids
    assert all(map(is_reason, found.values()))


def test_one_workflow_skips_policies_and_says_why(reports: dict[str, Any]) -> None:
    """checkov reads no file whose jobs only call others."""
    found = skipped(reports["github_actions"], "file_path")
    assert {Path(path).name for path in found} == {"rollback.yml"}
    assert all(map(is_reason, found.values()))


@needs_kubectl
def test_every_skip_of_an_object_has_its_reason_and_is_needed_somewhere() -> None:
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
            assert is_reason(reason), value
