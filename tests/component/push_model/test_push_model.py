import errno
import json
import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from components.push_model.config import Config
from core import digest
from core.backends.local_registry import LocalRegistry
from core.backends.registry import ModelVersion
from core.decision import Decision, Verdict
from core.errors import MlopsError, RegistryError
from tests.component.push_model.challenge import GATES, OTHER, Challenge, decision, model


@pytest.fixture
def challenge(tmp_path: Path) -> Challenge:
    return Challenge(tmp_path)


def test_a_model_that_passed_every_gate_is_published_and_becomes_the_champion(challenge: Challenge) -> None:
    reference = challenge.push()
    champion = challenge.registry.champion("m")
    assert (champion.reference, champion.version) == (reference, 2)
    assert champion.digest == digest.of_folder(challenge.candidate.model / "Format-Serving")
    assert json.loads(Path(challenge.outputs.pushed).read_text()) == {
        "name": "m",
        "version": 2,
        "path": str(champion.path),
        "digest": champion.digest,
        "in_production": True,
    }
    about = dict(champion.about)
    assert {entry["name"]: entry["decision"]["verdict"] for entry in about.pop("evidence")} == {
        "evaluate_model": "pass",
        "validate_infra": "pass",
    }
    assert about.pop("decision") == Decision.read(challenge.outputs.decision).model_dump(mode="json")
    assert about == {
        "model": "m", "compared_with": challenge.champion.reference, "waived": {}, "submission": "submission-1",
        "spans": [1, 2, 3], "data": "sha256:da7a", "source": "/d/{SPAN}", "records": {"train": 7},
    }  # fmt: skip


def test_a_push_that_is_repeated_changes_nothing(challenge: Challenge) -> None:
    first = challenge.push()
    moves = challenge.registry.history("m")
    assert challenge.push() == first
    assert challenge.registry.history("m") == moves
    assert [version.version for version in challenge.registry.versions("m")] == [1, 2]


def test_a_release_may_wait_for_a_person(challenge: Challenge) -> None:
    challenge.push(promote=False)
    assert json.loads(Path(challenge.outputs.pushed).read_text())["in_production"] is False
    assert [version.version for version in challenge.registry.versions("m")] == [1, 2]
    assert challenge.registry.champion("m") == challenge.champion


@pytest.mark.parametrize("verdict", [Verdict.FAIL, Verdict.UNDECIDED])
@pytest.mark.parametrize("gate", GATES)
def test_a_required_gate_that_is_no_outright_pass_closes_the_push(
    challenge: Challenge, gate: str, verdict: Verdict
) -> None:
    passes = {name: decision(name, challenge.subject) for name in GATES}
    challenge.evidence(**passes | {gate: decision(gate, challenge.subject, verdict)})
    challenge.refused(verdict, f"{gate} passes this model")
    assert Decision.read(challenge.outputs.decision).next_step == "Train longer."


@pytest.mark.parametrize("gate", GATES)
def test_a_required_gate_that_was_not_asked_closes_the_push(challenge: Challenge, gate: str) -> None:
    challenge.evidence(**{name: decision(name, challenge.subject) for name in GATES if name != gate})
    challenge.refused(Verdict.UNDECIDED, f"{gate} decided about this model")


@pytest.mark.parametrize("gate", GATES)
@pytest.mark.parametrize("about", [OTHER, ""])
def test_a_decision_about_another_model_is_not_carried_over(challenge: Challenge, gate: str, about: str) -> None:
    passes = {name: decision(name, challenge.subject) for name in GATES}
    challenge.evidence(**passes | {gate: decision(gate, about)})
    challenge.refused(Verdict.FAIL, about or "no model")


def test_a_gate_that_the_release_does_not_know_closes_the_push(challenge: Challenge) -> None:
    passes = {name: decision(name, challenge.subject) for name in GATES}
    challenge.evidence(**passes, check_fairness=decision("check_fairness", challenge.subject))
    challenge.refused(Verdict.FAIL, "Add check_fairness to push_model.requires")
    challenge.evidence(**passes, check_fairness=decision("check_fairness", challenge.subject, Verdict.FAIL))
    challenge.refused(Verdict.FAIL, "auc >= 0.6", requires=(*GATES, "check_fairness"))
    challenge.evidence(**passes, check_fairness=decision("check_fairness", challenge.subject))
    assert challenge.push(requires=(*GATES, "check_fairness"))


def test_a_model_that_another_evaluation_refused_is_pushed_by_its_own(challenge: Challenge) -> None:
    challenge.evidence(
        before_compression=decision("evaluate_model", OTHER, Verdict.FAIL),
        evaluate_model=decision("evaluate_model", challenge.subject),
        validate_infra=decision("validate_infra", challenge.subject),
    )
    assert challenge.push()


@pytest.mark.parametrize(
    ("other", "about", "says"),
    [
        ("before_compression", OTHER, "evaluate_model passes this model"),
        ("on_holidays", "", "evaluate_model passes this model"),
    ],
)
def test_another_evaluation_does_not_stand_for_one_that_refused(
    challenge: Challenge, other: str, about: str, says: str
) -> None:
    challenge.evidence(
        **{
            other: decision("evaluate_model", about or challenge.subject),
            "evaluate_model": decision("evaluate_model", challenge.subject, Verdict.FAIL),
            "validate_infra": decision("validate_infra", challenge.subject),
        }
    )
    challenge.refused(Verdict.FAIL, says)


def test_a_gate_is_waived_by_name_and_with_a_reason_that_is_kept(challenge: Challenge) -> None:
    reason = "this model is used in bulk and never served"
    challenge.evidence(
        evaluate_model=decision("evaluate_model", challenge.subject),
        validate_infra=decision("validate_infra", challenge.subject, Verdict.FAIL),
    )
    challenge.push(requires=("evaluate_model",), waives={"validate_infra": reason})
    about = challenge.registry.champion("m").about
    assert about["waived"] == {"validate_infra": reason}
    assert any(
        reason in check["rule"] and check["observed"].startswith("fail") for check in about["decision"]["checks"]
    )


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({"requires": ["evaluate_model"]}, "leaves out validate_infra"),
        ({"requires": []}, "at least 1"),
        ({"requires": ["evaluate_model", "evaluate_model", "validate_infra"]}, "each gate once"),
        ({"waives": {"validate_infra": "we never serve it"}}, "in both"),
        ({"requires": ["evaluate_model"], "waives": {"validate_infra": "no"}}, "at least 10 characters"),
    ],
)
def test_a_default_gate_is_left_out_with_a_reason_or_not_at_all(config: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        Config.model_validate(config)


def _missing(path: Path) -> None:
    path.unlink()


def _empty(path: Path) -> None:
    path.write_text("")


def _not_a_number(path: Path) -> None:
    path.write_text(path.read_text().replace("0.7", "NaN"))


def _better_number(path: Path) -> None:
    path.write_text(path.read_text().replace("0.7", "0.9"))


def _older_version(path: Path) -> None:
    path.write_text(path.read_text().replace('"version": 2', '"version": 1'))


@pytest.mark.parametrize("tamper", [_missing, _empty, _not_a_number, _better_number, _older_version])
def test_evidence_that_was_changed_or_cannot_be_read_closes_the_push(
    challenge: Challenge, tamper: Callable[[Path], None]
) -> None:
    tamper(challenge.candidate.evidence)
    challenge.refused(Verdict.UNDECIDED, "the evidence can be read")


def test_a_verdict_that_was_turned_into_a_pass_closes_the_push(challenge: Challenge) -> None:
    challenge.evidence(**{gate: decision(gate, challenge.subject, Verdict.FAIL) for gate in GATES})
    path = challenge.candidate.evidence
    content = json.loads(path.read_text())
    for entry in content["entries"]:
        entry["decision"]["verdict"] = "pass"
        entry["digest"] = digest.of_bytes(json.dumps(entry["decision"], separators=(",", ":")).encode())
    path.write_text(json.dumps(content))
    challenge.refused(Verdict.UNDECIDED, "the verdict of the checks is fail")


def test_a_champion_that_moved_since_the_comparison_closes_the_push(challenge: Challenge, tmp_path: Path) -> None:
    other = challenge.registry.publish("m", model(tmp_path / "other", "other") / "Format-Serving", {})
    challenge.registry.promote("m", other.version)
    challenge.refused(Verdict.FAIL, "Run the pipeline again")


def test_a_champion_that_moves_during_the_push_leaves_no_version_behind(
    challenge: Challenge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = challenge.registry.publish("m", model(tmp_path / "other", "other") / "Format-Serving", {})
    publish = LocalRegistry.publish

    def publish_late(self: LocalRegistry, *args: Any) -> ModelVersion:
        version = publish(self, *args)
        challenge.registry.promote("m", other.version)
        return version

    monkeypatch.setattr(LocalRegistry, "publish", publish_late)
    with pytest.raises(RegistryError, match="run the pipeline again"):
        challenge.push()
    assert challenge.registry.champion("m") == other
    assert challenge.registry.numbers("m") == [1, 2]


def test_a_model_that_a_person_rolled_back_is_not_put_back_by_a_pipeline(challenge: Challenge) -> None:
    challenge.push()
    challenge.registry.rollback("m")
    challenge.refused(Verdict.FAIL, "Put it back into production")


@pytest.mark.known_failure(26)
def test_a_model_folder_without_a_saved_model_is_named(challenge: Challenge) -> None:
    shutil.rmtree(challenge.candidate.model)
    with pytest.raises(RegistryError, match=r"Format-Serving: wanted a SavedModel"):
        challenge.push()


WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
CHANGES = {"os.mkdir", "os.rename", "os.remove", "os.rmdir", "shutil.copyfile", "fcntl.flock"}
DONE, SAID_NO = 0, 7


def with_fault(action: Callable[[], object], at: int, fault: Callable[[str], None], count: Path) -> int:
    """Run something in a forked child with a fault at its nth call that changes files; return its exit code."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    calls = 0
    fsync = os.fsync

    def call(path: object) -> None:
        nonlocal calls
        calls += 1
        if calls == at:
            fault(str(path))

    def watch(event: str, args: tuple[Any, ...]) -> None:
        if event in CHANGES or (event == "open" and isinstance(args[2], int) and args[2] & WRITES):
            call(args[0])

    def watched_fsync(handle: int) -> None:
        call(handle)
        fsync(handle)

    os.fsync = watched_fsync
    sys.addaudithook(watch)
    ended = 1
    try:
        action()
        ended = DONE
        at = -1
        count.write_text(str(calls))
    except (MlopsError, OSError) as error:
        ended = SAID_NO if os.strerror(errno.ENOSPC) in str(error) else 8
    finally:
        os._exit(ended)


def _kill(path: str) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _disk_full(path: str) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)


@pytest.mark.parametrize(
    ("fault", "ends"),
    [
        (_kill, {-signal.SIGKILL}),
        pytest.param(
            _disk_full, {SAID_NO, DONE}, marks=pytest.mark.nightly("a push for every call that can find a full disk")
        ),
    ],
)
@pytest.mark.known_failure(12)
def test_a_push_that_dies_at_any_call_leaves_a_champion_and_is_repeated_once(
    tmp_path: Path, fault: Callable[[str], None], ends: set[int]
) -> None:
    assert with_fault(Challenge(tmp_path / "whole").push, -1, fault, tmp_path / "calls") == DONE
    calls = int((tmp_path / "calls").read_text())
    assert calls > 20
    for at in range(1, calls + 1):
        challenge = Challenge(tmp_path / str(at))
        registry, old, new = (
            challenge.registry,
            challenge.champion.digest,
            digest.of_folder(challenge.candidate.model / "Format-Serving"),
        )
        assert with_fault(challenge.push, at, fault, tmp_path / "calls") in ends, at
        champion = registry.champion("m")
        assert champion is not None
        assert champion.digest in {old, new}, at
        reference = challenge.push()
        assert str(registry.pointer("m")) == reference, at
        assert [version.digest for version in registry.versions("m")] == [old, new], at
        assert [move["digest"] for move in registry.history("m")] == [old, new], at
        assert registry.problems("m") == [], at
