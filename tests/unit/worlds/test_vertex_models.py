"""Vertex AI's Model Registry mirrors ours: what is missing is uploaded, aliases follow, a second sync does nothing."""

import re

import pytest
from fake_serving import PARENT
from hypothesis import given
from hypothesis import strategies as st
from served_project import IMAGE, NAME, Project

from core import objects
from core.backends.object_registry import ObjectRegistry
from core.errors import CorruptArtifact, MlopsError
from mlops.worlds.vertex import api
from mlops.worlds.vertex.model_spec import model_id
from tests.loopback import Fault, Request


def test_a_second_sync_changes_nothing(project: Project) -> None:
    done = project.mirror.sync(NAME)
    assert (done.uploaded, done.failed) == ([1, 2], [])
    versions = project.serving.models[NAME]
    for version, found in zip(project.registry.versions(NAME), versions, strict=True):
        assert found["artifactUri"] == version.address
        assert found["containerSpec"]["imageUri"] == IMAGE
        assert version.digest in found["containerSpec"]["args"]
        assert version.digest in found["versionDescription"]
        assert found["labels"] == {
            "mlops-version": str(version.version),
            "mlops-digest": version.digest.removeprefix("sha256:")[:63],
            "mlops-image": "7" * 63,
            "mlops-run": "run-1",
        }
    assert [project.serving.alias(NAME, one) for one in ("champion", "default", "v1", "v2")] == ["1", "1", "1", "2"]
    before = list(project.serving.writes)
    again = project.mirror.sync(NAME)
    assert (again.unchanged, again.changed, again.failed) == ([1, 2], False, [])
    project.image = IMAGE.replace("7", "8")  # other code: the versions stay as they were uploaded
    assert not project.mirror.sync(NAME).changed
    assert project.serving.writes == before


def test_the_alias_follows_the_pointer_both_ways(project: Project) -> None:
    project.mirror.sync(NAME)
    project.registry.promote(NAME, 2)
    assert sorted(project.mirror.sync(NAME).moved) == ["champion to version 2", "default to version 2"]
    project.registry.rollback(NAME)
    project.mirror.sync(NAME)
    assert [project.serving.alias(NAME, one) for one in ("champion", "default")] == ["1", "1"]


def test_an_alias_that_was_moved_by_hand_is_put_back(project: Project) -> None:
    project.mirror.sync(NAME)
    project.mirror.api.merge_aliases(f"{PARENT}/models/{NAME}@2", ["champion", "theirs"])
    assert project.mirror.sync(NAME).moved == ["champion to version 1"]
    assert [project.serving.alias(NAME, one) for one in ("champion", "theirs")] == ["1", "2"]


def test_a_pointer_that_moves_meanwhile_is_followed(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.mirror.sync(NAME)
    looks = iter([lambda: None, lambda: project.registry.promote(NAME, 2)])
    pointer = ObjectRegistry.pointer

    def moving(registry: ObjectRegistry, name: str) -> object:
        next(looks, lambda: None)()
        return pointer(registry, name)

    monkeypatch.setattr(ObjectRegistry, "pointer", moving)
    assert project.mirror.align(NAME) == ["champion to version 2", "default to version 2"]


def test_what_fails_is_listed_and_the_rest_is_done(project: Project) -> None:
    def fault(request: Request) -> Fault | None:
        return Fault(403) if request.path.endswith(":upload") and b'"mlops-version": "1"' in request.body else None

    project.loopback.every = fault
    done = project.mirror.sync(NAME)
    assert done.uploaded == [2]
    assert len(done.failed) == 1
    assert re.match(r"version 1: .*refused.*mlops doctor", done.failed[0])
    assert project.serving.alias(NAME, "champion") is None  # the version in production is not there
    project.loopback.every = lambda _: None
    again = project.mirror.sync(NAME)
    assert (again.uploaded, again.unchanged, again.failed) == ([1], [2], [])
    assert project.serving.alias(NAME, "champion") == "1"


@pytest.mark.parametrize(
    "fault",
    [Fault(429), Fault(500), Fault(503, answered=True), Fault(cut=True), Fault(cut=True, answered=True), Fault(409)],
    ids=str,
)
def test_a_fault_that_passes_makes_one_upload_of_each(project: Project, fault: Fault) -> None:
    faults = [fault]
    project.loopback.every = lambda request: faults.pop() if faults and request.path.endswith(":upload") else None
    assert project.mirror.sync(NAME).failed == []
    assert [one["labels"]["mlops-version"] for one in project.serving.models[NAME]] == ["1", "2"]


def test_a_sync_that_is_cut_at_any_call_is_finished_by_the_next(project: Project) -> None:
    for at in range(0, 60, 3):
        project.serving.models.clear()
        project.loopback.faults = [*[None] * at, Fault(403, answered=bool(at % 2))]
        failed = project.mirror.sync(NAME).failed
        assert failed or project.loopback.faults
        project.loopback.faults = []
        assert project.mirror.sync(NAME).failed == []
        assert sorted(one["labels"]["mlops-version"] for one in project.serving.models[NAME]) == ["1", "2"]
        assert project.serving.alias(NAME, "champion") == "1"
        if not failed:
            return
    raise AssertionError("a sync takes more calls than were cut")


def test_a_slow_upload_is_waited_for_and_a_service_that_stays_away_is_an_error(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.serving.slow = 3
    assert project.mirror.sync(NAME).uploaded == [1, 2]
    project.publish("three")
    monkeypatch.setattr(api, "PATIENCE_SECONDS", 0.2)
    project.loopback.every = lambda request: Fault(503) if request.path.endswith(":upload") else None
    [failure] = project.mirror.sync(NAME).failed
    assert "503" in failure


def test_a_number_that_is_another_model_there_is_refused(project: Project) -> None:
    project.mirror.sync(NAME)
    project.serving.models[NAME][1]["labels"]["mlops-digest"] = "0" * 63
    done = project.mirror.sync(NAME)
    assert done.unchanged == [1]
    assert "was used for another one" in done.failed[0]
    with pytest.raises(CorruptArtifact):
        project.mirror.ensure(project.registry.get(NAME, 2))


def test_versions_of_others_stay(project: Project) -> None:
    project.mirror.sync(NAME)
    project.serving.models[NAME].append({**project.serving.models[NAME][0], "versionId": "3", "labels": {}})
    project.serving.models[NAME].append(
        {**project.serving.models[NAME][0], "versionId": "4", "labels": {"mlops-version": "9", "mlops-digest": "1"}}
    )
    done = project.mirror.sync(NAME)
    assert (done.unknown, done.changed) == ([9], False) or done.moved == ["v9 to version 9"]
    assert len(project.serving.models[NAME]) == 4


def test_a_damaged_version_is_not_uploaded(project: Project) -> None:
    objects.delete(f"{project.registry.root}/{NAME}/2/manifest.json")
    assert project.mirror.sync(NAME).uploaded == [1]


def test_other_code_uploads_the_version_again_to_deploy_it(project: Project) -> None:
    project.mirror.sync(NAME)
    first = project.mirror.ensure(project.registry.get(NAME, 1))
    project.image = IMAGE.replace("7", "8")
    second = project.mirror.ensure(project.registry.get(NAME, 1))
    assert (first.id, second.id) == ("1", "3")
    project.mirror.align(NAME)
    assert project.serving.models[NAME][2]["versionAliases"] == ["champion", "default", "v1"]

    def not_pushed() -> str:
        raise MlopsError("not pushed")

    mirror = project.mirror
    object.__setattr__(mirror, "image", not_pushed)
    assert mirror.ensure(project.registry.get(NAME, 1), any_image=True).id == "3"


@given(names=st.sets(st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}", fullmatch=True), max_size=5))
def test_every_model_has_an_id_of_its_own_that_the_service_takes(names: set[str]) -> None:
    found = {model_id(name) for name in {*names, *map(str.lower, names)}}
    assert all(re.fullmatch(r"[a-z_][a-z0-9_-]{0,62}", one) for one in found)
    assert len(found) == len({*names, *map(str.lower, names)})
