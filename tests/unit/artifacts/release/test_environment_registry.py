"""A model server that follows an environment serves the model of its release, and nothing else."""

import pytest

from artifacts.release.environment_log import Note
from core.backends.registry import open_registry
from core.errors import CorruptArtifact, RegistryError
from tests.unit.artifacts.release.planted import Shop

NOTE = Note("ada", "a reason")


def test_a_server_follows_promotions_and_rollbacks(any_shop: Shop) -> None:
    shop = any_shop
    folder = shop.scratch / "mirror"
    registry = open_registry(f"env://dev@{shop.root}", folder)
    assert registry.pointer("m") is None
    first, second = shop.add("one"), shop.add("two")
    shop.promoted(first, "dev")
    assert (registry.names(), registry.numbers("m")) == (["m"], [1])
    found = registry.get("m", 1)
    assert found.path == folder / "m" / "1", "copied, so that a server's folder has no other version"
    assert (found.path / "variables" / "variables.index").read_text() == "one"
    shop.promoted(second, "dev")
    assert str(registry.pointer("m")) == shop.model("two").reference
    champion = registry.champion("m")
    assert champion is not None
    assert champion.digest == shop.model("two").digest
    shop.promoter.roll_back("m", "dev", NOTE)
    assert str(registry.pointer("m")) == shop.model("one").reference
    assert registry.problems("m") == []


def test_it_is_moved_by_releases_alone(shop: Shop) -> None:
    shop.promoted(shop.add(), "dev")
    registry = open_registry(f"env://dev@{shop.root}", shop.scratch / "mirror")
    for move in (
        lambda: registry.promote("m", 1, "2@sha256:" + "0" * 64),
        lambda: registry.rollback("m"),
        lambda: registry.publish("m", shop.scratch, {}),
        lambda: registry.discard("m", 1),
        lambda: registry.check_writable("m"),
    ):
        with pytest.raises(RegistryError, match="mlops release promote"):
            move()
    with pytest.raises(RegistryError, match="wanted env://"):
        open_registry("env://dev")


def test_code_alone_and_changed_records_serve_nothing(shop: Shop) -> None:
    code = shop.add(model=None)
    shop.promoted(code, "dev")
    registry = open_registry(f"env://dev@{shop.root}", shop.scratch / "mirror")
    assert registry.pointer("m") is None
    shop.damage(f"records/{code.removeprefix('sha256:')}")
    with pytest.raises(CorruptArtifact, match="the record was changed"):
        registry.pointer("m")
    assert "the record was changed" in registry.problems("m")[0]
