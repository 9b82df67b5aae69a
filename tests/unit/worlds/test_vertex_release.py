"""A promotion to an environment with an endpoint gives the traffic to the model of its release."""

import json
from typing import Any

import pytest
from served_project import NAME, Project

from artifacts.evidence.evidence import Evidence
from artifacts.release.environment import Environments
from artifacts.release.environment_log import Note
from artifacts.release.promotion import Offered
from artifacts.release.record import ReleasedModel
from core.store import Store
from mlops.actions.promotion import Mover
from mlops.worlds.vertex.world import Vertex
from tests.unit.artifacts.release.planted import GATES, Shop, decision, environments

NOTE = Note("ada", "a reason")


def test_the_endpoint_follows_promotions_and_rollbacks(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLOPS_DEPLOYMENT", json.dumps(project.settings))
    monkeypatch.setattr(Vertex, "references", {"ml-in-production/serving": project.image})
    shop = Shop(project.settings["root"], project.scratch)
    declared: dict[str, Any] = environments().model_dump(exclude_none=True)
    declared["environments"]["dev"]["target"] = "vertex"
    mover = Mover(
        Store(project.scratch / "home", shop.root), Environments.model_validate(declared), project.lines.append
    )
    releases = []
    for number in (1, 2):
        version = project.registry.get(NAME, number)
        releases.append(
            shop.add(
                build={"usecase": NAME},
                model=ReleasedModel(name=NAME, version=number, digest=version.digest),
                subject=version.digest,
                decisions=Evidence.of({gate: decision(gate, version.digest) for gate in GATES}),
            )
        )
    for release_id, number in zip(releases, "12", strict=True):
        mover.promote(release_id, ("", "dev"), NOTE, Offered())
        assert _answers(project) == {number: 100}
    mover.roll_back(NAME, "dev", NOTE)
    assert _answers(project) == {"1": 100}


def _answers(project: Project) -> dict[str, int]:
    serving = project.serving
    return {serving.version_of(one): share for one, share in serving.traffic.items() if share}
