"""What an environment demands of a release, as the checks of one decision."""

import re
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from artifacts.evidence.requirements import Requirements
from artifacts.release.environment import FACTS, Environment
from artifacts.release.proof import Proof
from artifacts.release.record import Release
from artifacts.release.store import Releases
from core.backends.registry import open_registry
from core.decision import Check, Verdict
from core.errors import CorruptArtifact, RegistryError

_BY_DIGEST = re.compile(r".+/.+@sha256:[0-9a-f]{64}")


@dataclass(frozen=True)
class Presented:
    """A release, and the evidence that is given with a promotion."""

    id: str
    release: Release
    proofs: tuple[Proof, ...] = ()

    @property
    def all_proofs(self) -> tuple[Proof, ...]:
        """The evidence in the record, then what is given with the promotion."""
        return (*self.release.proofs, *self.proofs)


def intact_checks(releases: Releases, registry: str, presented: Presented) -> Iterator[Check]:
    """Read every byte that a release names, and check its digest."""
    release = presented.release
    blobs = release.blobs | {f"given {proof.kind}": proof.digest for proof in presented.proofs}
    for what, wanted in blobs.items():
        yield _intact(what, wanted, lambda wanted=wanted: releases.blob(wanted))  # type: ignore[misc]
    model = release.model
    if model is None:
        return
    with tempfile.TemporaryDirectory() as folder:  # a cached copy would say nothing about the registry
        opened = open_registry(registry, Path(folder))
        yield _intact("model", model.reference, lambda: opened.resolve(model.name, model.reference))


def evidence_checks(environment: Environment, presented: Presented) -> Iterator[Check]:
    """Compare the evidence with what an environment requires; what it neither requires nor waives does not pass."""
    for fact in FACTS:
        if fact in environment.requires:
            yield from _REQUIRED[fact](presented)
        else:
            yield _check(f"{fact} is waived: {environment.waives[fact]}", True, "", "")
    release = presented.release
    gates = Requirements(environment.gates, environment.waived_gates)
    yield from gates.checks(release.decisions, release.subject)
    if release.model is not None:
        yield _check(
            "the decisions are about the released model",
            release.model.digest == release.subject,
            release.subject,
            "Create the release again.",
        )


def _clean_tree(presented: Presented) -> Iterator[Check]:
    build = presented.release.build
    state = "no commit" if not build.commit else "clean" if build.clean else "changed files"
    yield _check(
        "the sources are those of a commit", build.clean and bool(build.commit), state, "Commit, and build again."
    )


def _images(presented: Presented) -> Iterator[Check]:
    references = presented.release.build.images
    next_step = "Push them (mlops images push), and compile with MLOPS_IMAGE_REGISTRY."
    if not references:
        yield _check("the release names its images", False, "none", next_step)
    for name, reference in references.items():
        is_by_digest = _BY_DIGEST.fullmatch(reference) is not None
        yield _check(f"image {name} is named by digest", is_by_digest, reference, next_step)


def _sboms(presented: Presented) -> Iterator[Check]:
    build = presented.release.build
    for name in build.images:
        group = name.rpartition("/")[2]
        found = build.sboms.get(group)
        yield _check(f"image {name} has an SBOM", found is not None, found or "none", "mlops images build keeps one.")
    if not build.images:
        yield _check("the release names its images", False, "none", "Compile the pipeline again.")


def _tests(presented: Presented) -> Iterator[Check]:
    yield from _proofs(presented, "tests", "Run them, and give the report: --evidence tests=report.xml")
    for proof in presented.all_proofs:
        if proof.kind == "tests":
            wanted = presented.release.build.commit
            is_same = bool(wanted) and proof.commit == wanted
            observed = proof.commit or "no commit"
            yield _check("the tests are of the release's commit", is_same, observed, "Test that commit.")


def _model_card(presented: Presented) -> Iterator[Check]:
    yield from _proofs(presented, "model_card", "Give it: --evidence model_card=FILE")
    for proof in presented.all_proofs:
        if proof.kind == "model_card":
            subject = proof.decision.subject
            is_same = subject == presented.release.subject
            yield _check("the model card is of this model", is_same, subject or "no model", "Give this model's card.")


def _proofs(presented: Presented, kind: str, next_step: str) -> Iterator[Check]:
    found = [proof for proof in presented.all_proofs if proof.kind == kind]
    if not found:
        yield Check(rule=f"there is evidence: {kind}", observed="none", verdict=Verdict.UNDECIDED, next_step=next_step)
    for proof in found:
        decision = proof.decision
        yield Check(
            rule=f"{kind} passed",
            observed=f"{decision.verdict}: {decision.summary}",
            verdict=decision.verdict,
            next_step=decision.next_step,
        )


_REQUIRED: dict[str, Callable[[Presented], Iterator[Check]]] = {
    "clean_tree": _clean_tree,
    "images": _images,
    "sboms": _sboms,
    "tests": _tests,
    "model_card": _model_card,
}


def _intact(what: str, wanted: str, read: Callable[[], object]) -> Check:
    """Check that something can be read with the digest that the record has; store errors are the caller's."""
    try:
        read()
    except (CorruptArtifact, RegistryError) as error:
        return _check(f"{what} is intact", False, str(error), "Restore those bytes, or build another release.")
    return Check(rule=f"{what} is intact", observed=wanted, verdict=Verdict.PASS)


def _check(rule: str, passed: bool, observed: str, next_step: str) -> Check:
    verdict = Verdict.PASS if passed else Verdict.FAIL
    return Check(rule=rule, observed=observed, verdict=verdict, next_step="" if passed else next_step)
