from pathlib import Path

import pytest

from components.promote_release.config import Config
from components.promote_release.logic import Stores, promote
from core.decision import Decision
from tests.unit.artifacts.release.planted import Shop


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(str(tmp_path / "store"), tmp_path)


def _promote(shop: Shop, release_id: str) -> tuple[bool, Decision]:
    stores = Stores(f"{shop.root}/releases", f"{shop.root}/models", shop.environments.model_dump_json())
    is_open = promote(Config(), release_id, stores, "submission-1", shop.scratch / "decision")
    return is_open, Decision.read(shop.scratch / "decision")


def test_the_first_environment_alone_runs_the_release(shop: Shop) -> None:
    release_id = shop.add()
    is_open, decision = _promote(shop, release_id)
    assert is_open
    assert (decision.gate, decision.subject) == ("promote_release", release_id)
    assert [shop.runs(name) for name in ("dev", "staging", "prod")] == [release_id, None, None]
    (move,) = shop.releases.log("dev", "m").history()
    assert move.by == "pipeline, submission submission-1"
    assert _promote(shop, release_id)[0]
    assert len(shop.releases.log("dev", "m").history()) == 1, "repeated, it adds nothing"


def test_a_closed_gate_is_a_decision_and_moves_nothing(shop: Shop) -> None:
    release_id = shop.add()
    shop.damage("variables.index")
    is_open, decision = _promote(shop, release_id)
    assert not is_open
    assert "model is intact" in decision.summary
    assert shop.runs("dev") is None
