"""What each fact of an environment demands by itself, with what is observed and what to do."""

from typing import Any

import pytest

from artifacts.release.checks import Presented, evidence_checks
from artifacts.release.environment import FACTS, Environment
from artifacts.release.proof import Proof
from artifacts.release.record import Release
from core.decision import Verdict
from tests.unit.artifacts.release.planted import COMMIT, GATES, IMAGE, PUSHED, Shop, decision

OTHER = "sha256:" + "0" * 64
Seen = tuple[str, Verdict, object, str]


@pytest.fixture
def release(shop: Shop) -> Release:
    return shop.releases.get(shop.add())


def asked(fact: str, release: Release, *given: Proof, **build: Any) -> list[Seen]:
    """Return the checks of an environment that demands one fact, of a release with another build."""
    waives = dict.fromkeys([*(one for one in FACTS if one != fact), *GATES], "a reason to waive")
    environment = Environment(requires=(fact,), waives=waives, attestation="nobody signs in a test")
    changed = release.model_copy(update={"build": release.build.model_copy(update=build)})
    checks = list(evidence_checks(environment, Presented(release.id, changed, given)))
    assert checks[-1].rule == "the decisions are about the released model"
    assert sum("is waived" in one.rule for one in checks) == len(waives)
    return [(one.rule, one.verdict, one.observed, one.next_step) for one in checks[:-1] if "is waived" not in one.rule]


def without_proofs(release: Release) -> Release:
    return release.model_copy(update={"proofs": ()})


@pytest.mark.parametrize(
    ("build", "verdict", "state"),
    [
        ({}, Verdict.PASS, "clean"),
        ({"clean": False}, Verdict.FAIL, "changed files"),
        ({"commit": ""}, Verdict.FAIL, "no commit"),
        ({"commit": "", "clean": False}, Verdict.FAIL, "no commit"),
    ],
)
def test_the_sources_are_those_of_a_commit(release: Release, build: Any, verdict: Verdict, state: str) -> None:
    step = "" if verdict is Verdict.PASS else "Commit, and build again."
    assert asked("clean_tree", release, **build) == [("the sources are those of a commit", verdict, state, step)]


def test_images_are_named_and_by_digest(release: Release) -> None:
    rule, step = f"image {IMAGE} is named by digest", "Push them (mlops images push), and compile with "
    step += "MLOPS_IMAGE_REGISTRY."
    assert asked("images", release) == [(rule, Verdict.PASS, PUSHED, "")]
    assert asked("images", release, images={}) == [("the release names its images", Verdict.FAIL, "none", step)]
    tagged = f"registry.example/team/{IMAGE}:latest"
    assert asked("images", release, images={IMAGE: tagged}) == [(rule, Verdict.FAIL, tagged, step)]


def test_each_image_has_an_sbom(release: Release) -> None:
    rule = f"image {IMAGE} has an SBOM"
    assert asked("sboms", release) == [(rule, Verdict.PASS, release.build.sboms["data"], "")]
    assert asked("sboms", release, sboms={}) == [(rule, Verdict.FAIL, "none", "mlops images build keeps one.")]
    assert asked("sboms", release, images={}) == [
        ("the release names its images", Verdict.FAIL, "none", "Compile the pipeline again.")
    ]


def report(commit: str, verdict: Verdict = Verdict.PASS) -> Proof:
    return Proof(kind="tests", digest=OTHER, commit=commit, decision=decision("tests", "", verdict))


OF_COMMIT = "the tests are of the release's commit"


def test_the_tests_passed_on_the_commit_that_is_released(release: Release) -> None:
    passed = decision("tests", "").summary
    bare = without_proofs(release)
    assert asked("tests", bare, report(COMMIT)) == [
        ("tests passed", Verdict.PASS, f"pass: {passed}", ""),
        (OF_COMMIT, Verdict.PASS, COMMIT, ""),
    ]
    assert asked("tests", bare, report("d" * 40))[1] == (OF_COMMIT, Verdict.FAIL, "d" * 40, "Test that commit.")
    assert asked("tests", bare, report(""))[1] == (OF_COMMIT, Verdict.FAIL, "no commit", "Test that commit.")
    assert asked("tests", bare, report(""), commit="")[1][1] is Verdict.FAIL, "no commit is no commit of both"
    failed = asked("tests", bare, report(COMMIT, Verdict.FAIL))[0]
    assert (failed[0], failed[1], failed[3]) == ("tests passed", Verdict.FAIL, "Train longer.")
    step = "Run them, and give the report: --evidence tests=report.xml"
    assert asked("tests", bare) == [("there is evidence: tests", Verdict.UNDECIDED, "none", step)]


def carded(subject: str) -> Proof:
    return Proof(kind="model_card", digest=OTHER, commit="", decision=decision("model_card", subject))


def test_the_card_is_of_the_model_that_is_released(release: Release) -> None:
    rule, step, bare = "the model card is of this model", "Give this model's card.", without_proofs(release)
    assert asked("model_card", bare, carded(release.subject))[1] == (rule, Verdict.PASS, release.subject, "")
    assert asked("model_card", bare, carded(OTHER))[1] == (rule, Verdict.FAIL, OTHER, step)
    assert asked("model_card", bare, carded(""))[1] == (rule, Verdict.FAIL, "no model", step)
    assert [one[0] for one in asked("model_card", bare, report(COMMIT))] == ["there is evidence: model_card"]
    assert [one[0] for one in asked("tests", bare, carded(release.subject))] == ["there is evidence: tests"]
