import json
from pathlib import Path

import pytest

from artifacts.evidence.evidence import Evidence
from artifacts.release.record import Release
from artifacts.release.store import Releases
from components.create_release.config import Config
from components.create_release.logic import Candidate, create
from core import digest
from core.errors import CorruptArtifact
from tests.unit.artifacts.release.planted import GATES, Shop, decision


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(str(tmp_path / "store"), tmp_path)


def candidate(shop: Shop, *, is_pushed: bool = True) -> Candidate:
    version = shop.model()
    pushed = {"name": "m", "version": version.version, "digest": version.digest, "path": "/p", "in_production": True}
    (shop.scratch / "pushed").write_text(json.dumps(pushed if is_pushed else None))
    Evidence.of({gate: decision(gate, version.digest) for gate in GATES}).write(shop.scratch / "evidence")
    return Candidate.at(str(shop.scratch / "pushed"), str(shop.scratch / "evidence"), "submission-1")


def test_the_record_has_build_model_and_decisions_and_its_digest_is_its_id(shop: Shop) -> None:
    given = candidate(shop)
    target = shop.scratch / "out" / "release"
    release_id = create(Config(), shop.build().content(), given, f"{shop.root}/releases", target)
    assert digest.of_bytes(target.read_bytes()) == release_id
    release = Releases(f"{shop.root}/releases").get(release_id)
    assert release == Release.parse(target.read_bytes(), release_id, "target")
    assert release.build == shop.build()
    assert release.model is not None
    assert release.model.reference == shop.model().reference
    assert [entry.name for entry in release.decisions.entries] == list(GATES)
    assert release.origin == "submission-1"
    shop.promoted(release_id, "dev")


def test_repeated_it_is_the_same_release(shop: Shop) -> None:
    given = candidate(shop)
    again = [
        create(Config(), shop.build().content(), given, f"{shop.root}/releases", shop.scratch / "out") for _ in range(2)
    ]
    assert again[0] == again[1]
    assert shop.releases.ids() == again[:1]


def test_code_alone_is_released_without_the_model_of_its_trial(shop: Shop) -> None:
    given = candidate(shop)
    release_id = create(
        Config(promotes="code"), shop.build().content(), given, f"{shop.root}/releases", shop.scratch / "out"
    )
    release = shop.releases.get(release_id)
    assert (release.model, release.subject) == (None, shop.model().digest)


def test_nothing_is_released_where_nothing_was_pushed_or_a_file_is_missing(shop: Shop) -> None:
    build = shop.build().content()
    with pytest.raises(CorruptArtifact, match="wanted a pushed version, got none"):
        create(Config(), build, candidate(shop, is_pushed=False), f"{shop.root}/releases", shop.scratch / "out")
    with pytest.raises(CorruptArtifact, match=r"compiled pipeline: .* missing"):
        create(Config(), build, candidate(shop), f"{shop.root}/elsewhere", shop.scratch / "out")
    assert shop.releases.ids() == []
