from pathlib import Path

import pytest

from artifacts.evidence.evidence import Evidence
from components.collect_evidence.config import Config
from components.collect_evidence.logic import Collected, collect
from core.decision import Check, Decision, Verdict
from core.errors import CorruptArtifact


def decide(folder: Path, gate: str, verdict: Verdict = Verdict.PASS) -> str:
    path = folder / gate
    Decision.of(gate, (Check(rule="a rule", observed=1.0, verdict=verdict, next_step="mend it"),)).write(path)
    return str(path)


def test_decisions_are_kept_by_name_in_their_order_closed_ones_too(tmp_path: Path) -> None:
    first = {"a": decide(tmp_path, "a"), "b": decide(tmp_path, "b", Verdict.FAIL)}
    collect(Config(), Collected(first), tmp_path / "first")
    collected = collect(Config(), Collected({"again": first["a"]}, str(tmp_path / "first")), tmp_path / "second")
    assert Evidence.read(tmp_path / "second") == collected
    assert [(entry.name, entry.decision.gate, entry.decision.verdict.value) for entry in collected.entries] == [
        ("a", "a", "pass"),
        ("b", "b", "fail"),
        ("again", "a", "pass"),
    ]


def test_a_name_that_is_there_already_is_refused(tmp_path: Path) -> None:
    paths = {"a": decide(tmp_path, "a")}
    collect(Config(), Collected(paths), tmp_path / "first")
    with pytest.raises(CorruptArtifact, match="several of a"):
        collect(Config(), Collected(paths, str(tmp_path / "first")), tmp_path / "second")
    assert not (tmp_path / "second").exists()


def test_a_decision_that_was_turned_into_a_pass_is_refused(tmp_path: Path) -> None:
    path = Path(decide(tmp_path, "a", Verdict.FAIL))
    text = path.read_text()
    path.write_text(text.replace('"verdict": "fail"', '"verdict": "pass"', 1))
    with pytest.raises(CorruptArtifact, match=r"wanted the decision a, got .*the verdict of the checks is fail"):
        collect(Config(), Collected({"a": str(path)}), tmp_path / "evidence")
