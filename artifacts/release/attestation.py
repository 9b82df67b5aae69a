"""Verifies attestations with the program that the environment names; where that cannot be done, nothing is attested."""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from artifacts.release.environment import Signed
from artifacts.release.record import Release
from core.decision import Check, Verdict

ISSUER = "https://token.actions.githubusercontent.com"
"""Whom GitHub's workflows get their identity from."""
_SECONDS = 120.0
"""How long one verification may take."""


class Subject(NamedTuple):
    """What is attested: the record of a release, or an image."""

    what: str
    target: str
    """The path of a file, or `oci://` and an image by digest."""


def attestation_checks(signed: Signed | str, release: Release, bundle: Path | None) -> Iterator[Check]:
    """Yield a check for the record and for each image of a release.

    `bundle` has the record's attestations; without it, `gh` asks GitHub for them. `signed` is the reason where an
    environment demands none.
    """
    if isinstance(signed, str):
        yield Check(rule=f"attestation is waived: {signed}", verdict=Verdict.PASS)
        return
    with tempfile.TemporaryDirectory() as folder:
        record = Path(folder, "release.json")
        record.write_bytes(release.content())
        yield _check(signed, Subject("the release", str(record)), release.build.commit, bundle)
        for name, reference in sorted(release.build.images.items()):
            yield _check(signed, Subject(f"image {name}", f"oci://{reference}"), release.build.commit, None)


def command(signed: Signed, subject: Subject, commit: str, bundle: Path | None) -> list[str]:
    """Return the command that verifies one subject: its signer, and the commit that it was built from."""
    repository, given = signed.repository, ["--bundle", str(bundle)] if bundle else []
    if signed.tool == "gh":
        signer = ["--repo", repository, "--signer-workflow", f"{repository}/{signed.workflow}"]
        source = ["--source-ref", signed.ref, "--source-digest", commit, "--deny-self-hosted-runners"]
        return ["gh", "attestation", "verify", subject.target, *signer, *source, *given]
    identity = f"https://github.com/{repository}/{signed.workflow}@{signed.ref}"
    signer = ["--certificate-identity", identity, "--certificate-oidc-issuer", ISSUER]
    source = ["--certificate-github-workflow-sha", commit, "--type", "slsaprovenance1"]
    is_image = subject.target.startswith("oci://")
    verb = "verify-attestation" if is_image else "verify-blob-attestation"
    return ["cosign", verb, *signer, *source, *given, subject.target.removeprefix("oci://")]


def _check(signed: Signed, subject: Subject, commit: str, bundle: Path | None) -> Check:
    rule = f"{subject.what} is attested by {signed.workflow} of {signed.repository}"
    if shutil.which(signed.tool) is None:
        return _closed(rule, Verdict.UNDECIDED, f"{signed.tool} is not installed", f"Install {signed.tool}.")
    if not commit:
        return _closed(rule, Verdict.UNDECIDED, "the release has no commit", "Create it from a checkout.")
    argv = command(signed, subject, commit, bundle)
    try:
        ended = subprocess.run(  # noqa: S603 - a list, never a shell line
            argv, capture_output=True, text=True, timeout=_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return _closed(rule, Verdict.UNDECIDED, f"{signed.tool}: {error}", "Try again.")
    if ended.returncode != 0:
        answer = (ended.stderr or ended.stdout).strip().splitlines()
        why = answer[-1] if answer else f"exit code {ended.returncode}"
        return _closed(rule, Verdict.FAIL, why, "Build and attest it with that workflow; nothing else may sign.")
    return Check(rule=rule, observed=f"verified by {signed.tool}", verdict=Verdict.PASS)


def _closed(rule: str, verdict: Verdict, observed: str, next_step: str) -> Check:
    return Check(rule=rule, observed=observed, verdict=verdict, next_step=next_step)
