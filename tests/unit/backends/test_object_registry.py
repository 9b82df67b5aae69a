"""Promises of the registry in an object store beyond the contract of all registries."""

import contextlib
import json
import multiprocessing
import os
import random
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest

from core import digest, objects
from core.backends.local_registry import LocalRegistry
from core.backends.manifest import Manifest
from core.backends.object_registry import ObjectRegistry
from core.backends.registry import ModelVersion, find, open_registry
from core.errors import CorruptArtifact, MlopsError, RegistryError, StoreError, UsageError
from tests.object_store import Calls
from tests.unit.backends.registries import FROZEN, model


@pytest.fixture
def registry(bucket: str, tmp_path: Path) -> ObjectRegistry:
    return ObjectRegistry(f"{bucket}/models", tmp_path / "cache", clock=lambda: FROZEN)


def reopened(registry: ObjectRegistry, folder: Path) -> ObjectRegistry:
    """Open the same registry as another machine would."""
    return ObjectRegistry(registry.root, folder)


def _state(registry: ObjectRegistry) -> Any:
    champion = registry.pointer("m")
    return [(version.version, version.digest) for version in registry.versions("m")], str(champion or "")


def test_a_downloaded_version_is_a_version_of_a_local_registry(registry: ObjectRegistry, tmp_path: Path) -> None:
    source = model(tmp_path / "m")
    version = registry.publish("flight_delay", source, {"spans": [1, 2, 3], "rate": 0.25})
    assert version.path == tmp_path / "cache" / "flight_delay" / "1"
    assert version.address == f"{registry.root}/flight_delay/1"
    assert version.digest == digest.of_folder(source)
    assert (version.about, version.created) == ({"spans": [1, 2, 3], "rate": 0.25}, "2013-11-03T01:30:00+00:00")
    here = LocalRegistry(tmp_path / "cache").get("flight_delay", 1)
    assert (here.digest, here.about, here.created) == (version.digest, version.about, version.created)
    assert (version.path / "manifest.json").read_bytes() == objects.read(f"{version.address}/manifest.json")
    assert registry.names() == ["flight_delay"]
    assert registry.champion("flight_delay") is None
    assert {entry.address.removeprefix(f"{version.address}/") for entry in objects.walk(version.address)} == {
        "saved_model.pb", "variables/variables.data-00000-of-00001", "assets.extra/features.json", "manifest.json",
    }  # fmt: skip


def test_an_address_opens_the_registry_and_a_reference_is_found_in_it(
    registry: ObjectRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "scratch"))
    other, version = (
        registry.publish("a", model(tmp_path / "a", "a"), {}),
        registry.publish("b", model(tmp_path / "b", "b"), {}),
    )
    opened = open_registry(registry.root, tmp_path / "other")
    assert opened.get("b", 1).path == tmp_path / "other" / "b" / "1"
    assert find(registry.root, version.reference).digest == version.digest
    with pytest.raises(RegistryError, match="no such version under a, b"):
        find(registry.root, f"1@sha256:{'0' * 64}")
    assert opened.verify(other) is None


def test_a_model_with_another_digest_is_refused_before_it_is_downloaded(
    registry: ObjectRegistry, tmp_path: Path
) -> None:
    registry.publish("m", model(tmp_path / "a"), {})
    with pytest.raises(RegistryError, match="start a new run"):
        reopened(registry, tmp_path / "other").resolve("m", f"1@sha256:{'0' * 64}")
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize("root", ["s3://", "s3://bucket/../x", "s3://B/x", "s3://bucket//x", "s3://bucket/a?b"])
def test_an_invalid_address_is_a_usage_error(root: str, tmp_path: Path) -> None:
    with pytest.raises((UsageError, RegistryError), match=r"s3://"):
        open_registry(root, tmp_path)


def test_a_damaged_copy_is_downloaded_again_and_an_intact_one_is_not(registry: ObjectRegistry, tmp_path: Path) -> None:
    version = registry.publish("m", model(tmp_path / "a"), {})
    with Calls().watching() as calls:
        assert registry.get("m", 1) == version
    assert "put_object" not in calls.names
    assert calls.count <= 4
    for damage in (
        lambda: (version.path / "saved_model.pb").write_text("x"),
        lambda: shutil.rmtree(version.path),
        lambda: (version.path / "more").write_text(""),
    ):
        damage()
        assert registry.get("m", 1) == version
        assert LocalRegistry(tmp_path / "cache").versions("m")[0].digest == version.digest
    assert [path.name for path in version.path.parent.iterdir() if path.name.startswith(".staging")] == []


def test_a_manifest_cannot_name_a_file_outside_its_folder(registry: ObjectRegistry, tmp_path: Path) -> None:
    from core.backends.manifest import Manifest

    version = registry.publish("m", model(tmp_path / "a"), {})
    for name in ("../../../evil", "/evil", "a//b", "./saved_model.pb"):
        objects.write(f"{version.address}/manifest.json", Manifest("m", 1, "", {name: version.digest}, {}).content())
        with pytest.raises(CorruptArtifact):
            registry.get("m", 1)


class _Cut(OSError):
    pass


def _cut(method: str) -> None:
    raise _Cut(f"{method} was cut")


def _small(folder: Path) -> Path:
    folder.mkdir()
    (folder / "saved_model.pb").write_text(folder.name)
    return folder


def _push(registry: ObjectRegistry, source: Path) -> None:
    registry.promote("m", registry.publish("m", source, {}).version)


READS = ("get_", "head_", "list_")
"""Calls that change nothing: that the answer is lost is as if they had not been made."""


def _calls_of_a_push(registry: ObjectRegistry, old: Path, new: Path) -> list[str]:
    _push(registry, old)
    with Calls().watching() as calls:
        _push(registry, new)
    return calls.names


@pytest.mark.parametrize(
    "answered", [pytest.param(False, marks=pytest.mark.nightly("three hundred pushes, each with a failed call")), True]
)
def test_a_failure_of_any_call_leaves_no_partial_version_and_a_repeated_push_succeeds(
    bucket: str, tmp_path: Path, answered: bool
) -> None:
    """Each call to the store fails once before the store has executed it, and each that writes once after it has."""
    old, new = _small(tmp_path / "old"), _small(tmp_path / "new")
    calls = _calls_of_a_push(ObjectRegistry(f"{bucket}/whole", tmp_path / "cache" / "whole"), old, new)
    assert len(calls) > 20
    for at, name in enumerate(calls, start=1):
        if answered and name.startswith(READS):
            continue
        registry = ObjectRegistry(f"{bucket}/{answered}{at}", tmp_path / "cache" / str(at))
        _push(registry, old)
        before = _state(registry)
        with Calls(_cut, at, answered=answered).watching() as watched, contextlib.suppress(MlopsError):
            _push(registry, new)
        assert watched.names[at - 1] == name
        other_machine = reopened(registry, tmp_path / "other" / str(at))
        versions, champion = _state(other_machine)
        assert versions[: len(before[0])] == before[0]
        assert champion in {before[1], f"2@{digest.of_folder(new)}"}
        for version, model_digest in versions:
            assert other_machine.get("m", version).digest == model_digest
        _push(registry, new)
        assert _state(other_machine) == ([*before[0], (2, digest.of_folder(new))], f"2@{digest.of_folder(new)}")
        assert other_machine.problems("m") == []


def test_an_unfinished_push_is_reported_and_does_not_block_other_pushes(
    registry: ObjectRegistry, tmp_path: Path
) -> None:
    source = model(tmp_path / "a")
    with Calls(_cut, 16).watching() as calls, pytest.raises(MlopsError):
        registry.publish("m", source, {})
    assert "put_object" in calls.names[4:]
    assert registry.versions("m") == []
    assert "push the same model again" in registry.problems("m")[0]
    assert registry.publish("m", model(tmp_path / "b", "b"), {}).version == 2
    assert registry.publish("m", source, {}).version == 1
    assert registry.problems("m") == []


def test_a_push_that_ends_while_an_equal_one_looks_for_it_gives_both_the_same_version(
    registry: ObjectRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, other = model(tmp_path / "a"), reopened(registry, tmp_path / "other")
    upload, published = registry._upload, other._published
    versions = []

    def upload_while_the_other_looks(saved_model: Path, manifest: Manifest) -> None:
        def published_too_late(name: str, wanted: str) -> ModelVersion | None:
            found = published(name, wanted)
            upload(saved_model, manifest)
            return found

        monkeypatch.setattr(other, "_published", published_too_late)
        versions.append(other.publish("m", source, {}).version)

    monkeypatch.setattr(registry, "_upload", upload_while_the_other_looks)
    versions.append(registry.publish("m", source, {}).version)
    assert versions == [1, 1]
    assert registry.numbers("m") == [1]
    assert registry.problems("m") == []


def test_a_push_that_begins_while_an_equal_one_looks_for_it_is_continued(
    registry: ObjectRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, other = model(tmp_path / "a"), reopened(registry, tmp_path / "other")
    published = other._published

    def upload_a_file_and_die(saved_model: Path, manifest: Manifest) -> None:
        objects.write(f"{registry.root}/m/{manifest.version}/saved_model.pb", b"half")
        raise StoreError("the network is gone")

    def published_too_early(name: str, wanted: str) -> ModelVersion | None:
        if registry.numbers(name) == [] and not objects.walk(f"{registry.root}/{name}"):
            with pytest.raises(StoreError):
                registry.publish(name, source, {})
        return published(name, wanted)

    monkeypatch.setattr(registry, "_upload", upload_a_file_and_die)
    monkeypatch.setattr(other, "_published", published_too_early)
    assert other.publish("m", source, {}).version == 1
    assert other.problems("m") == []


def _die(root: str, cache: Path, source: Path, at: int) -> None:
    with Calls(lambda _: os.kill(os.getpid(), signal.SIGKILL), at).watching():
        registry = ObjectRegistry(root, cache)
        registry.promote("m", registry.publish("m", source, {}).version)


def test_a_process_killed_at_any_moment_leaves_the_cache_and_the_store_usable(
    registry: ObjectRegistry, tmp_path: Path
) -> None:
    context = multiprocessing.get_context("fork")
    source = model(tmp_path / "a")
    for at in sorted(random.Random(7).sample(range(2, 30), 6)):
        worker = context.Process(target=_die, args=(registry.root, tmp_path / "cache", source, at))
        worker.start()
        worker.join(300)
        assert worker.exitcode in {0, -signal.SIGKILL}
        assert [version.version for version in registry.versions("m")] in ([], [1])
    _push(registry, source)
    assert registry.champion("m").version == 1
    assert registry.problems("m") == []


def test_a_missing_bucket_is_named(bucket: str, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no bucket 'not-there'"):
        ObjectRegistry("s3://not-there/models", tmp_path).publish("m", model(tmp_path / "b"), {})


def test_a_store_that_ignores_if_none_match_is_refused(
    registry: ObjectRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from s3fs import S3FileSystem

    original = S3FileSystem._call_s3

    async def ignoring(files: Any, method: str, *args: Any, IfNoneMatch: str = "", **kwargs: Any) -> Any:  # noqa: N803 - S3's word
        return await original(files, method, *args, **kwargs)

    monkeypatch.setattr(S3FileSystem, "_call_s3", ignoring)
    for refused in (lambda: registry.publish("m", model(tmp_path / "a"), {}), lambda: registry.check_writable("m")):
        with pytest.raises(StoreError, match="If-None-Match"):
            refused()
    assert registry.versions("m") == []


def test_creating_an_object_fails_when_another_process_overwrites_it(
    registry: ObjectRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = f"{registry.root}/m/claim"
    put_new = objects._put_new

    def overtaken(to: str, content: bytes) -> bool:
        refused = put_new(to, content)
        objects.write(to, b"another's")
        return refused

    monkeypatch.setattr(objects, "_put_new", overtaken)
    with pytest.raises(StoreError, match="has another process's content"):
        objects.create(address, b"ours")


def test_checking_that_the_registry_is_writable_leaves_nothing_behind(registry: ObjectRegistry) -> None:
    registry.check_writable("m")
    assert objects.walk(registry.root) == []


def test_copies_lie_in_a_private_folder(
    registry: ObjectRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "scratch"))
    version = registry.publish("m", model(tmp_path / "a"), {})
    own = tmp_path / "scratch" / f"mlops-models-{os.geteuid()}"
    copies = ObjectRegistry(registry.root).get("m", 1)
    assert copies.path.is_relative_to(own)
    assert copies.digest == version.digest
    assert own.stat().st_mode & 0o777 == 0o700
    own.chmod(0o777)
    with pytest.raises(RegistryError, match="of this user alone"):
        ObjectRegistry(registry.root).get("m", 1)
    own.rename(own.with_name("moved"))
    own.symlink_to(own.with_name("moved"))
    with pytest.raises(RegistryError, match="of this user alone"):
        ObjectRegistry(registry.root).get("m", 1)


def test_a_cache_that_cannot_be_written_is_named(registry: ObjectRegistry, tmp_path: Path) -> None:
    registry.publish("m", model(tmp_path / "a"), {})
    (tmp_path / "file").write_text("")
    with pytest.raises(RegistryError, match="set TMPDIR"):
        reopened(registry, tmp_path / "file").get("m", 1)


def test_the_states_of_the_pointer_are_readable_json(registry: ObjectRegistry, tmp_path: Path) -> None:
    registry.promote("m", registry.publish("m", model(tmp_path / "a"), {}).version)
    (state,) = objects.entries(f"{registry.root}/m/.champion")
    assert json.loads(objects.read(state.address))["champion"]["version"] == 1
