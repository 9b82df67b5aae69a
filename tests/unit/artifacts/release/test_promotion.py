"""A release goes through the environments unchanged, or a named check stops it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from artifacts.evidence.evidence import Evidence
from artifacts.release.environment_log import Note
from artifacts.release.promotion import Offered, Promoter
from artifacts.release.record import ReleasedModel
from core.decision import Decision, Verdict
from core.errors import CorruptArtifact, GateClosed, RegistryError, UsageError
from tests.unit.artifacts.release.planted import COMMIT, GATES, IMAGE, Shop, alone, card, decision, junit

NOTE = Note("ada", "it is better")
OTHER = "sha256:" + "0" * 64


def test_a_release_goes_from_the_first_to_the_last_environment_and_back(any_shop: Shop) -> None:
    shop = any_shop
    first, second = shop.add("one"), shop.add("two")
    before = shop.files()
    shop.promoted(first, "dev", "staging", "prod")
    shop.promoted(second, "dev", "staging", "prod")
    assert [shop.runs(name) for name in ("dev", "staging", "prod")] == [second] * 3
    move = shop.promoter.roll_back("m", "prod", Note("bob", "too slow"))
    assert (move.release, move.before, move.action) == (first, second, "rollback")
    assert [shop.runs(name) for name in ("staging", "prod")] == [second, first]
    history = shop.releases.log("prod", "m").history()
    assert [(one.action, one.release, one.by, one.why) for one in history] == [
        ("promote", first, "ada", "a reason"),
        ("promote", second, "ada", "a reason"),
        ("rollback", first, "bob", "too slow"),
    ]
    assert all(one.at.endswith("+00:00") for one in history)
    assert shop.files() == before, "promotions and rollbacks change no byte and copy nothing"
    assert shop.releases.find("m@prod") == first
    with pytest.raises(RegistryError, match="wanted an earlier release of m with intact bytes to go back to, got none"):
        shop.promoter.roll_back("m", "prod", NOTE)


def _closed(shop: Shop, release_id: str, to: str = "prod", offered: Offered | None = None) -> str:
    """Promote, which is refused; return why."""
    before = shop.runs(to)
    with pytest.raises(GateClosed) as refused:
        shop.promoter.promote(shop.promoter.decide(release_id, to, offered or Offered()), NOTE)
    assert refused.value.exit_code == 3
    assert shop.runs(to) == before, "a closed gate moves nothing"
    return str(refused.value)


def test_a_flipped_byte_of_anything_that_a_release_names_stops_it(shop: Shop) -> None:
    release_id = shop.add()
    shop.promoted(release_id, "dev", "staging")
    release = shop.releases.get(release_id)
    damaged = {f"{what} is intact": digest.removeprefix("sha256:") for what, digest in release.blobs.items()}
    assert set(damaged) == {
        "compiled pipeline is intact",
        "configuration is intact",
        "SBOM of data is intact",
        "tests 1 is intact",
        "model_card 2 is intact",
    }
    for rule, name in (damaged | {"model is intact": "variables.index"}).items():
        shop.damage(name)
        answer = _closed(shop, release_id)
        assert answer.startswith(f"prod: {rule}: "), answer
        assert len(answer.splitlines()) == 1
        shop.damage(name)
    shop.promoted(release_id, "prod")


@pytest.mark.parametrize("store", ["bucket", "google_storage"])
def test_a_flipped_byte_in_an_object_store_is_found_although_this_machine_has_a_copy(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, store: str
) -> None:
    (tmp_path / "scratch").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "scratch"))
    given = request.getfixturevalue(store)
    shop = Shop(given if isinstance(given, str) else given.address, tmp_path)
    release_id = shop.add()
    for name in ("blobs/" + shop.releases.get(release_id).build.compiled[7:], "variables.index"):
        shop.damage(name)
    answer = _closed(shop, release_id, "dev")
    assert [line.partition(":")[2].partition(":")[0] for line in answer.splitlines()] == [
        " compiled pipeline is intact",
        " model is intact",
    ]


def test_a_record_that_was_changed_is_no_release(shop: Shop) -> None:
    release_id = shop.add()
    shop.damage(release_id.removeprefix("sha256:"))
    with pytest.raises(CorruptArtifact, match="the record was changed"):
        shop.promoter.decide(release_id, "dev")
    with pytest.raises(CorruptArtifact, match="the record was changed"):
        shop.promoter.verify(release_id)


PLANTED: dict[str, tuple[Callable[[Shop], str], str]] = {
    "changed files": (lambda s: s.add(build={"clean": False}), "the sources are those of a commit: changed files"),
    "no commit": (lambda s: s.add(build={"commit": "", "clean": True}), "the sources are those of a commit: no commit"),
    "an image by tag": (
        lambda s: s.add(build={"images": {IMAGE: f"{IMAGE}:latest"}}),
        f"image {IMAGE} is named by digest: {IMAGE}:latest",
    ),
    "no image": (lambda s: s.add(build={"images": {}}), "the release names its images: none"),
    "an image without SBOM": (lambda s: s.add(build={"sboms": {}}), f"image {IMAGE} has an SBOM: none"),
    "no test report and no card": (lambda s: s.add(proofs=()), "there is evidence: tests: none"),
    "a gate did not decide": (
        lambda s: s.add(decisions=Evidence.of({"evaluate_model": decision("evaluate_model", s.model().digest)})),
        "validate_infra decided about this model: no decision",
    ),
    "a gate was closed": (
        lambda s: s.add(
            decisions=Evidence.of({gate: decision(gate, s.model().digest, Verdict.FAIL) for gate in GATES})
        ),
        "evaluate_model passes this model: fail",
    ),
    "a gate decided about another model": (
        lambda s: s.add(decisions=Evidence.of({gate: decision(gate, OTHER) for gate in GATES})),
        f"evaluate_model decided about this model: it decided about {OTHER}",
    ),
    "evidence that nobody asks for": (
        lambda s: s.add(
            decisions=Evidence.of({gate: decision(gate, s.model().digest) for gate in (*GATES, "explain_model")})
        ),
        "explain_model comes from a required or waived gate: explain_model",
    ),
    "a model that is not in the registry": (
        lambda s: s.add(model=ReleasedModel(name="m", version=9, digest=s.model().digest)),
        "model is intact: m: no version 9",
    ),
    "another model than the decisions'": (
        lambda s: s.add(model=ReleasedModel(name="m", version=2, digest=s.model("other").digest)),
        "the decisions are about the released model",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PLANTED)
def test_missing_and_wrong_evidence_stops_a_release(shop: Shop, name: str) -> None:
    plant, why = PLANTED[name]
    shop.model("weights")
    shop.environments = alone()
    assert why in _closed(shop, plant(shop))


def test_an_environment_is_never_skipped(shop: Shop) -> None:
    release_id = shop.add()
    skipped = f"the release was in dev: it was not. mlops release promote {release_id[:19]} --to dev"
    assert skipped in _closed(shop, release_id, "staging").splitlines()[0]
    shop.promoted(release_id, "dev")
    assert "the release was in staging: it was not" in _closed(shop, release_id)
    shop.promoter.check_way("staging", "prod")
    shop.promoter.check_way("", "prod")
    with pytest.raises(UsageError, match="dev comes after no environment"):
        shop.promoter.check_way("staging", "dev")
    with pytest.raises(UsageError, match="prod comes after staging"):
        shop.promoter.check_way("dev", "prod")
    with pytest.raises(UsageError, match="did you mean 'prod'"):
        shop.promoter.decide(release_id, "prd")


def test_what_was_rolled_back_goes_no_further_and_comes_back_on_purpose_alone(shop: Shop) -> None:
    first, second = shop.add("one"), shop.add("two")
    shop.promoted(first, "dev", "staging")
    shop.promoted(second, "dev", "staging")
    shop.promoter.roll_back("m", "staging", NOTE)
    assert "the release was in staging: it was not" in _closed(shop, second)
    assert "the release was not rolled back in staging: rolled back" in _closed(shop, second, "staging")
    shop.promoter.promote(shop.promoter.decide(second, "staging", Offered(again=True)), NOTE)
    shop.promoted(second, "prod")
    shop.promoted(second, "staging")
    assert len(shop.releases.log("staging", "m").history()) == 4, "a repeated promotion adds nothing"


def test_a_rollback_skips_what_is_damaged_and_goes_to_a_named_release(shop: Shop) -> None:
    first, second, third = shop.add("one"), shop.add("two"), shop.add("three")
    for release_id in (first, second, third):
        shop.promoted(release_id, "dev")
    shop.damage(f"models/m/{shop.releases.get(second).model.version}/variables")  # type: ignore[union-attr]
    assert shop.promoter.roll_back("m", "dev", NOTE).release == first
    assert set(shop.releases.log("dev", "m").current().move.withdrawn) == {second, third}  # type: ignore[union-attr]
    with pytest.raises(RegistryError, match="wanted the release"):
        shop.promoter.roll_back("m", "dev", NOTE, third)


@pytest.mark.parametrize("error", [CorruptArtifact, RegistryError, UsageError])
def test_a_rollback_skips_what_cannot_be_read(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    first, second, third = shop.add("one"), shop.add("two"), shop.add("three")
    for release_id in (first, second, third):
        shop.promoted(release_id, "dev")
    verify = Promoter.verify

    def unreadable(promoter: Promoter, release_id: str) -> Decision:
        if release_id == second:
            raise error("it cannot be read")
        return verify(promoter, release_id)

    monkeypatch.setattr(Promoter, "verify", unreadable)
    with pytest.raises(RegistryError, match=f"wanted the release {second} of m .*, got {second}"):
        shop.promoter.roll_back("m", "dev", NOTE, second)
    assert shop.promoter.roll_back("m", "dev", NOTE).release == first


def test_a_rollback_goes_to_the_release_that_is_named_and_never_to_the_one_that_runs(shop: Shop) -> None:
    first, second, third = shop.add("one"), shop.add("two"), shop.add("three")
    for release_id in (first, second, third):
        shop.promoted(release_id, "dev")
    assert shop.promoter.roll_back("m", "dev", NOTE, first).release == first
    for release_id in (second, first):
        shop.promoter.promote(shop.promoter.decide(release_id, "dev", Offered(again=True)), NOTE)
    shop.damage(f"models/m/{shop.releases.get(second).model.version}/variables")  # type: ignore[union-attr]
    with pytest.raises(RegistryError, match=f"wanted an earlier release of m .*, got {second}; see"):
        shop.promoter.roll_back("m", "dev", NOTE)


def test_evidence_that_comes_later_is_given_with_the_promotion(shop: Shop, tmp_path: Path) -> None:
    release_id = shop.add(proofs=())
    shop.promoted(release_id, "dev")
    subject = shop.releases.get(release_id).subject
    given = (junit(tmp_path / "later.xml", tests=9), card(tmp_path / "later.md", subject))
    move = shop.promoter.promote(shop.promoter.decide(release_id, "staging", Offered(evidence=given)), NOTE)
    assert [proof.kind for proof in move.proofs] == ["tests", "model_card"]
    assert shop.releases.blob(move.proofs[0].digest) == (tmp_path / "later.xml").read_bytes()
    assert "there is evidence: tests" in _closed(shop, release_id), "each environment asks for itself"


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"commit": "d" * 40}, f"wanted a report of the tests of commit {COMMIT}, got {'d' * 40}"),
        ({"failures": 1}, "tests passed: fail: no test failed failed (observed 1 failed)"),
        ({"tests": 1, "skipped": 1}, "tests passed: fail: at least one test ran failed"),
    ],
)
def test_a_report_of_another_commit_or_of_failures_stops_a_release(
    shop: Shop, tmp_path: Path, given: dict[str, Any], why: str
) -> None:
    release_id = shop.add()
    shop.promoted(release_id, "dev")
    report = junit(tmp_path / "given.xml", **given)
    with pytest.raises((GateClosed, UsageError)) as refused:
        shop.promoter.promote(shop.promoter.decide(release_id, "staging", Offered(evidence=(report,))), NOTE)
    assert why in str(refused.value)
    assert shop.runs("staging") is None


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ("report.xml", "wanted KIND=FILE"),
        ("test=report.xml", "no kind of evidence 'test'; did you mean 'tests'?"),
        ("tests=missing.xml", "No such file"),
        ("tests=text", "wanted a test report in JUnit's format"),
        ("model_card=text", "wanted a card that names the model"),
    ],
)
def test_evidence_that_cannot_be_used_is_named(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str, why: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text").write_text("text")
    with pytest.raises(UsageError, match=why.replace("(", r"\(")):
        shop.promoter.decide(shop.add(), "dev", Offered(evidence=(given,)))


def test_a_log_whose_entry_was_changed_or_removed_is_not_believed(shop: Shop) -> None:
    for weights in ("one", "two", "three"):
        shop.promoted(shop.add(weights), "dev")
    log = shop.releases.log("dev", "m")
    assert len(log.history()) == 3
    entry = Path(f"{shop.root}/releases/environments/dev/m/{2:020d}.json")
    entry.write_bytes(entry.read_bytes().replace(b"a reason", b"no reason"))
    with pytest.raises(CorruptArtifact, match="an entry was changed"):
        log.history()
    entry.unlink()
    with pytest.raises(CorruptArtifact, match="missing; entries are never removed"):
        log.history()


def test_a_release_of_code_alone_needs_no_model_in_the_registry(shop: Shop) -> None:
    release_id = shop.add(model=None)
    shop.promoted(release_id, "dev", "staging", "prod")
    shop.damage("variables.index")
    assert shop.promoter.verify(release_id).is_open, "the trial's model is not part of the release"
