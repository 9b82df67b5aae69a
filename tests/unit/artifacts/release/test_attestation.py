"""Attestations are verified by an ordinary program; where it cannot say yes, the gate is closed."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from artifacts.release.attestation import attestation_checks
from artifacts.release.environment import Signed
from core.decision import Verdict, combine
from tests.unit.artifacts.release.planted import COMMIT, PUSHED, Shop

SIGNED = Signed(repository="owner/name", workflow=".github/workflows/build.yml")
RECORDED = ["gh", "attestation", "verify"]


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Put a program on the path that records how it is called, and fails when an argument has a word in it."""

    def write(name: str, refuses: str = "-") -> Path:
        folder = tmp_path / "bin"
        folder.mkdir(exist_ok=True)
        path = folder / name
        path.write_text(
            "#!/bin/sh\n"
            f'printf "%s\\n" "$0 $*" >> {tmp_path / "calls"}\n'
            f'case "$*" in *{refuses}*) echo "no attestation found" >&2; exit 1;; esac\n'
        )
        path.chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}{os.pathsep}/usr/bin{os.pathsep}/bin")
        return tmp_path / "calls"

    return write


def test_the_record_and_every_image_are_verified_with_signer_and_commit(shop: Shop, program: Any) -> None:
    calls = program("gh", refuses="nothing-that-is-given")
    release = shop.releases.get(shop.add())
    checks = list(attestation_checks(SIGNED, release, None))
    assert combine(checks) is Verdict.PASS
    record, image = calls.read_text().splitlines()
    for call in (record, image):
        assert "gh attestation verify" in call
        assert "--repo owner/name --signer-workflow owner/name/.github/workflows/build.yml" in call
        assert f"--source-ref refs/heads/main --source-digest {COMMIT} --deny-self-hosted-runners" in call
    assert f"oci://{PUSHED}" in image
    assert "release.json" in record


def test_a_bundle_is_checked_without_asking_github(shop: Shop, program: Any, tmp_path: Path) -> None:
    calls = program("cosign", refuses="nothing-that-is-given")
    signed = Signed.model_validate(SIGNED.model_dump() | {"tool": "cosign"})
    checks = list(attestation_checks(signed, shop.releases.get(shop.add()), tmp_path / "bundle.json"))
    assert combine(checks) is Verdict.PASS
    record, image = calls.read_text().splitlines()
    assert f"verify-blob-attestation --certificate-identity https://github.com/owner/name/{SIGNED.workflow}@" in record
    assert f"--bundle {tmp_path / 'bundle.json'}" in record
    assert "cosign verify-attestation" in image
    assert image.endswith(PUSHED)


@pytest.mark.parametrize(
    ("refuses", "rule"), [("release.json", "the release is attested"), ("oci://", "image ml-in-production/data is")]
)
def test_a_missing_attestation_closes_the_gate(shop: Shop, program: Any, refuses: str, rule: str) -> None:
    program("gh", refuses)
    checks = list(attestation_checks(SIGNED, shop.releases.get(shop.add()), None))
    (closed,) = [check for check in checks if check.verdict is not Verdict.PASS]
    assert closed.rule.startswith(rule)
    assert (closed.verdict, closed.observed) == (Verdict.FAIL, "no attestation found")


def test_without_the_program_or_a_commit_nothing_is_attested(shop: Shop, program: Any) -> None:
    program("something-else")
    release = shop.releases.get(shop.add())
    assert {check.verdict for check in attestation_checks(SIGNED, release, None)} == {Verdict.UNDECIDED}
    program("gh", refuses="nothing-that-is-given")
    without = shop.releases.get(shop.add(build={"commit": "", "clean": False}))
    assert {check.observed for check in attestation_checks(SIGNED, without, None)} == {"the release has no commit"}


def test_an_environment_that_demands_none_says_why(shop: Shop) -> None:
    (check,) = attestation_checks("nobody signs here", shop.releases.get(shop.add()), None)
    assert (check.verdict, check.rule) == (Verdict.PASS, "attestation is waived: nobody signs here")
    assert json.loads(check.model_dump_json())["observed"] is None
