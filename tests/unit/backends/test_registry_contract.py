"""The contract of all registries."""

import json
import multiprocessing
import os
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest

from core import digest
from core.backends.pointer import Pointer
from core.backends.registry import ModelVersion, Registry, find
from core.errors import CorruptArtifact, MlopsError, RegistryError
from tests.unit.backends.registries import Backend, copy, model

FILES = ["saved_model.pb", "variables/variables.data-00000-of-00001", "assets.extra/features.json", "manifest.json"]


def test_a_published_model_has_tensorflow_servings_layout_and_a_manifest(backend: Backend, tmp_path: Path) -> None:
    source = model(tmp_path / "m")
    version = backend.registry.publish("flight_delay", source, {"spans": [1, 2, 3], "rate": 0.25})
    assert version.address == f"{backend.root}/flight_delay/1"
    assert backend.files("flight_delay/1") == set(FILES)
    assert digest.of_folder(version.path, leave_out=frozenset({"manifest.json"})) == version.digest
    assert version.digest == digest.of_folder(source)
    assert (version.about, version.created) == ({"spans": [1, 2, 3], "rate": 0.25}, "2013-11-03T01:30:00+00:00")
    assert backend.reopened().names() == ["flight_delay"]
    assert backend.reopened().champion("flight_delay") is None


def test_two_pushes_in_the_same_second_are_two_versions(backend: Backend, tmp_path: Path) -> None:
    assert [backend.registry.publish("m", model(tmp_path / text, text), {}).version for text in "ab"] == [1, 2]


def test_publishing_the_same_model_again_returns_its_version(backend: Backend, tmp_path: Path) -> None:
    first = backend.registry.publish("m", model(tmp_path / "a"), {})
    assert backend.registry.publish("m", model(tmp_path / "b"), {"other": 1}) == first
    assert backend.registry.publish("m", model(tmp_path / "c", "c"), {}).version == 2


def test_a_removed_versions_number_is_not_used_again_even_for_the_same_model(backend: Backend, tmp_path: Path) -> None:
    for text in "ab":
        backend.registry.publish("m", model(tmp_path / text, text), {})
    backend.remove("m/2")
    assert backend.registry.numbers("m") == [1]
    assert backend.registry.publish("m", model(tmp_path / "again", "b"), {}).version == 3


def test_a_version_that_never_was_in_production_can_be_discarded(backend: Backend, tmp_path: Path) -> None:
    for text in "ab":
        backend.registry.publish("m", model(tmp_path / text, text), {})
    backend.registry.discard("m", 2)
    reopened = backend.reopened()
    assert (reopened.numbers("m"), backend.files("m/2"), reopened.problems("m")) == ([1], set(), [])
    with pytest.raises(RegistryError, match="no version 2"):
        backend.registry.discard("m", 2)
    assert backend.registry.publish("m", model(tmp_path / "again", "b"), {}).version == 3


def test_a_version_that_is_or_was_in_production_stays(backend: Backend, tmp_path: Path) -> None:
    for text in "ab":
        backend.registry.promote("m", backend.registry.publish("m", model(tmp_path / text, text), {}).version)
    for number in (1, 2):
        with pytest.raises(RegistryError, match=f"version {number} is or was in production"):
            backend.registry.discard("m", number)
    backend.registry.rollback("m")
    with pytest.raises(RegistryError, match="version 2 is or was in production"):
        backend.registry.discard("m", 2)
    assert backend.registry.numbers("m") == [1, 2]


def test_a_folder_whose_name_is_no_version_is_ignored(backend: Backend, tmp_path: Path) -> None:
    first = backend.registry.publish("m", model(tmp_path / "a"), {})
    for name in ("007", "-1", "٣", "1_0", " 7", "7 ", "+7", "0", "1.0", "9223372036854775808", ".staging-7"):
        copy(backend, "m/1", f"m/{name}")
        assert backend.registry.versions("m") == [first], name
    assert backend.registry.publish("m", model(tmp_path / "b", "b"), {}).version == 2


@pytest.mark.parametrize("name", ["../x", "/etc", "", ".", "a/b", "a\0b", "ü", "-x", "x" * 64])
@pytest.mark.known_failure(32)
def test_a_name_is_never_a_path(backend: Backend, tmp_path: Path, name: str) -> None:
    with pytest.raises(RegistryError, match="wanted a model name"):
        backend.registry.publish(name, model(tmp_path / "a"), {})


def _remove(backend: Backend, name: str) -> None:
    backend.remove(name)


def _flip(backend: Backend, name: str) -> None:
    content = bytearray(backend.read(name))
    content[len(content) // 2] ^= 1
    backend.write(name, bytes(content))


def _truncate(backend: Backend, name: str) -> None:
    backend.write(name, backend.read(name)[:-2])


@pytest.mark.parametrize("name", FILES)
@pytest.mark.known_failure(13)
def test_a_damaged_version_is_never_returned(backend: Backend, tmp_path: Path, name: str) -> None:
    """Each damage in turn; the version is whole again before the next."""
    first = backend.registry.publish("m", model(tmp_path / "a", "a"), {})
    backend.registry.promote("m", 1)
    second = backend.registry.publish("m", model(tmp_path / "b", "b"), {})
    whole = backend.read(f"m/2/{name}")
    for number, damage in enumerate((_remove, _flip, _truncate), 3):
        backend.registry.promote("m", 2)
        damage(backend, f"m/2/{name}")
        reopened = backend.reopened(damage.__name__)
        _check_that_it_is_refused(reopened, second)
        assert reopened.rollback("m").digest == first.digest
        assert reopened.publish("m", model(tmp_path / damage.__name__, "b"), {}).version == number
        backend.remove(f"m/{number}")
        backend.write(f"m/2/{name}", whole)
    assert backend.reopened("whole").get("m", 2).digest == second.digest


def _check_that_it_is_refused(registry: Registry, damaged: ModelVersion) -> None:
    for refused in (
        lambda: registry.get("m", 2),
        lambda: registry.verify(damaged),
        lambda: registry.champion("m"),
        lambda: registry.promote("m", 2),
    ):
        with pytest.raises((CorruptArtifact, RegistryError)):
            refused()
    assert "in production" in registry.problems("m")[-1]


def test_a_version_copied_to_another_number_is_ignored(backend: Backend, tmp_path: Path) -> None:
    first = backend.registry.publish("m", model(tmp_path / "a"), {})
    copy(backend, "m/1", "m/5")
    assert backend.registry.versions("m") == [first]
    assert "cannot be copied" in backend.registry.problems("m")[0]
    assert backend.registry.publish("m", model(tmp_path / "b", "b"), {}).version == 6


def test_the_pointer_moves_and_moves_back_and_keeps_its_history(backend: Backend, tmp_path: Path) -> None:
    versions = [backend.registry.publish("m", model(tmp_path / text, text), {}) for text in "abc"]
    for version in versions:
        backend.registry.promote("m", version.version)
    backend.registry.promote("m", 3)
    assert backend.registry.champion("m") == versions[2]
    assert [backend.registry.rollback("m").version for _ in range(2)] == [2, 1]
    assert str(backend.reopened().pointer("m")) == versions[0].reference
    with pytest.raises(RegistryError, match="no earlier version"):
        backend.registry.rollback("m")
    assert [(move["action"], move["version"]) for move in backend.reopened().history("m")] == [
        ("promote", 1), ("promote", 2), ("promote", 3), ("rollback", 2), ("rollback", 1),
    ]  # fmt: skip


def test_a_promotion_that_names_the_champion_fails_when_that_has_changed(backend: Backend, tmp_path: Path) -> None:
    first, second, _third = (backend.registry.publish("m", model(tmp_path / text, text), {}) for text in "abc")
    backend.registry.promote("m", 1, replacing="")
    backend.registry.promote("m", 2, replacing=first.reference)
    backend.registry.promote("m", 2, replacing=first.reference)  # a repeat after a crash
    for seen in ["", first.reference]:
        with pytest.raises(RegistryError, match=rf"but {second.reference} is; .*run the pipeline again"):
            backend.registry.promote("m", 3, replacing=seen)
    assert backend.registry.champion("m") == second


def test_a_rolled_back_model_stays_withdrawn_until_it_is_promoted_again(backend: Backend, tmp_path: Path) -> None:
    first, second = (backend.registry.publish("m", model(tmp_path / text, text), {}) for text in "ab")
    backend.registry.promote("m", 1)
    backend.registry.promote("m", 2)
    assert not backend.registry.withdrawn("m", second.digest)
    backend.registry.rollback("m")
    assert [backend.registry.withdrawn("m", version.digest) for version in (first, second)] == [False, True]
    backend.registry.promote("m", 2)
    assert not backend.registry.withdrawn("m", second.digest)


def test_a_reference_names_a_version_by_number_and_content(backend: Backend, tmp_path: Path) -> None:
    version = backend.registry.publish("m", model(tmp_path / "a"), {})
    assert backend.registry.resolve("m", version.reference) == version
    assert find(backend.root, version.reference).digest == version.digest
    with pytest.raises(RegistryError, match="start a new run"):
        backend.registry.resolve("m", f"1@sha256:{'0' * 64}")
    with pytest.raises(RegistryError, match="no such version under m"):
        find(backend.root, f"1@sha256:{'0' * 64}")
    for text in ["1", "", "01@" + version.digest, "1@sha256:", "1@md5:0", f"1@{version.digest}x"]:
        with pytest.raises(RegistryError, match="wanted a model version such as"):
            Pointer.parse(text)


@pytest.mark.parametrize(
    "content", [b"{", b"[]", b"{}", b'{"champion": {"version": "../1", "digest": "x"}, "previous": []}']
)
def test_a_damaged_pointer_is_an_error(backend: Backend, tmp_path: Path, content: bytes) -> None:
    backend.registry.promote("m", backend.registry.publish("m", model(tmp_path / "a"), {}).version)
    backend.write(backend.pointer(1), content)
    with pytest.raises(CorruptArtifact, match="wanted a pointer"):
        backend.registry.champion("m")


def test_an_unknown_name_or_version_lists_the_known_ones(backend: Backend, tmp_path: Path) -> None:
    backend.registry.publish("flight_delay", model(tmp_path / "a"), {})
    with pytest.raises(RegistryError, match="did you mean 'flight_delay'"):
        backend.registry.get("flight_dely", 1)
    with pytest.raises(RegistryError, match="no version 2; known: 1"):
        backend.registry.get("flight_delay", 2)
    with pytest.raises(RegistryError, match=r"no saved_model\.pb"):
        backend.registry.publish("flight_delay", tmp_path, {})


def test_a_link_in_a_model_is_refused(backend: Backend, tmp_path: Path) -> None:
    source = model(tmp_path / "a")
    (source / "assets").symlink_to("/etc")
    with pytest.raises(RegistryError, match="got a link"):
        backend.registry.publish("m", source, {})
    assert backend.registry.numbers("m") == []


def _publish(backend: Backend, cache: str, source: Path, barrier: Barrier) -> None:
    barrier.wait()
    registry = backend.reopened(cache)
    registry.promote("m", registry.publish("m", source, {}).version)


def test_processes_that_push_at_the_same_time_get_a_version_for_each_model(backend: Backend, tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    barrier = context.Barrier(4)
    sources = [model(tmp_path / str(number), str(number // 2)) for number in range(4)]
    workers = [
        context.Process(target=_publish, args=(backend, f"cache-{number % 2}", source, barrier))
        for number, source in enumerate(sources)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0] * 4
    assert [version.version for version in backend.registry.versions("m")] == [1, 2]
    assert backend.registry.champion("m") is not None
    assert backend.registry.problems("m") == []


def _compete(backend: Backend, seen: str, version: int, barrier: Barrier) -> None:
    registry = backend.reopened(f"cache-{version}")
    barrier.wait()
    try:
        registry.promote("m", version, replacing=seen)
    except RegistryError:
        os._exit(3)


def test_of_promotions_that_name_the_same_champion_one_succeeds(backend: Backend, tmp_path: Path) -> None:
    versions = [backend.registry.publish("m", model(tmp_path / str(number), str(number)), {}) for number in range(4)]
    backend.registry.promote("m", 1)
    context = multiprocessing.get_context("fork")
    barrier = context.Barrier(3)
    workers = [
        context.Process(target=_compete, args=(backend, versions[0].reference, version.version, barrier))
        for version in versions[1:]
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert sorted(worker.exitcode for worker in workers) == [0, 3, 3]
    winner = versions[1:][[worker.exitcode for worker in workers].index(0)]
    assert backend.registry.champion("m") == winner
    assert len(backend.registry.history("m")) == 2


def test_a_flipped_bit_of_a_manifest_is_found(backend: Backend, tmp_path: Path) -> None:
    backend.registry.publish("m", model(tmp_path / "a"), {"rows": 7})
    content = backend.read("m/1/manifest.json")
    for position in range(0, len(content) - 1, 11):
        changed = content[:position] + bytes([content[position] ^ 1]) + content[position + 1 :]
        backend.write("m/1/manifest.json", changed)
        try:
            backend.registry.get("m", 1)
        except MlopsError:
            continue
        assert json.loads(changed) == json.loads(content), position  # white space only
