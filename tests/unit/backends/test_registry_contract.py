"""What every registry promises, wherever its versions lie."""

import json
import multiprocessing
import os
from collections.abc import Callable
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest

from core import digest
from core.backends.registry import Pointer, find
from core.errors import CorruptArtifact, MlopsError, RegistryError
from tests.unit.backends.registries import Place, copy, model

FILES = ["saved_model.pb", "variables/variables.data-00000-of-00001", "assets.extra/features.json", "manifest.json"]


def test_a_published_model_lies_as_tensorflow_serving_reads_it_and_says_where_it_comes_from(
    place: Place, tmp_path: Path
) -> None:
    source = model(tmp_path / "m")
    version = place.registry.publish("flight_delay", source, {"spans": [1, 2, 3], "rate": 0.25})
    assert version.address == f"{place.root}/flight_delay/1"
    assert place.files("flight_delay/1") == set(FILES)
    assert digest.of_folder(version.path, leave_out=frozenset({"manifest.json"})) == version.digest
    assert version.digest == digest.of_folder(source)
    assert (version.about, version.created) == ({"spans": [1, 2, 3], "rate": 0.25}, "2013-11-03T01:30:00+00:00")
    assert place.elsewhere().names() == ["flight_delay"]
    assert place.elsewhere().champion("flight_delay") is None


def test_two_pushes_at_one_moment_are_two_versions(place: Place, tmp_path: Path) -> None:
    assert [place.registry.publish("m", model(tmp_path / text, text), {}).version for text in "ab"] == [1, 2]


def test_the_same_model_again_is_the_version_it_has(place: Place, tmp_path: Path) -> None:
    first = place.registry.publish("m", model(tmp_path / "a"), {})
    assert place.registry.publish("m", model(tmp_path / "b"), {"other": 1}) == first
    assert place.registry.publish("m", model(tmp_path / "c", "c"), {}).version == 2


def test_a_deleted_number_never_comes_back_not_even_for_the_same_model(place: Place, tmp_path: Path) -> None:
    for text in "ab":
        place.registry.publish("m", model(tmp_path / text, text), {})
    place.remove("m/2")
    assert place.registry.numbers("m") == [1]
    assert place.registry.publish("m", model(tmp_path / "again", "b"), {}).version == 3


def test_a_version_that_never_was_in_production_can_be_discarded(place: Place, tmp_path: Path) -> None:
    for text in "ab":
        place.registry.publish("m", model(tmp_path / text, text), {})
    place.registry.discard("m", 2)
    away = place.elsewhere()
    assert (away.numbers("m"), place.files("m/2"), away.problems("m")) == ([1], set(), [])
    with pytest.raises(RegistryError, match="no version 2"):
        place.registry.discard("m", 2)
    assert place.registry.publish("m", model(tmp_path / "again", "b"), {}).version == 3


def test_a_version_that_is_or_was_in_production_stays(place: Place, tmp_path: Path) -> None:
    for text in "ab":
        place.registry.promote("m", place.registry.publish("m", model(tmp_path / text, text), {}).version)
    for number in (1, 2):
        with pytest.raises(RegistryError, match=f"version {number} is or was in production"):
            place.registry.discard("m", number)
    place.registry.rollback("m")
    with pytest.raises(RegistryError, match="version 2 is or was in production"):
        place.registry.discard("m", 2)
    assert place.registry.numbers("m") == [1, 2]


@pytest.mark.parametrize(
    "name", ["007", "-1", "٣", "1_0", " 7", "7 ", "+7", "0", "1.0", "9223372036854775808", ".staging-7"]
)
def test_what_is_no_version_is_not_read_as_one(place: Place, tmp_path: Path, name: str) -> None:
    first = place.registry.publish("m", model(tmp_path / "a"), {})
    copy(place, "m/1", f"m/{name}")
    assert place.registry.versions("m") == [first]
    assert place.registry.publish("m", model(tmp_path / "b", "b"), {}).version == 2


@pytest.mark.parametrize("name", ["../x", "/etc", "", ".", "a/b", "a\0b", "ü", "-x", "x" * 64])
def test_a_name_is_never_a_path(place: Place, tmp_path: Path, name: str) -> None:
    with pytest.raises(RegistryError, match="wanted a model name"):
        place.registry.publish(name, model(tmp_path / "a"), {})


def _remove(place: Place, name: str) -> None:
    place.remove(name)


def _flip(place: Place, name: str) -> None:
    content = bytearray(place.read(name))
    content[len(content) // 2] ^= 1
    place.write(name, bytes(content))


def _truncate(place: Place, name: str) -> None:
    place.write(name, place.read(name)[:-2])


@pytest.mark.parametrize("damage", [_remove, _flip, _truncate])
@pytest.mark.parametrize("name", FILES)
def test_a_version_that_is_not_whole_is_never_handed_out(
    place: Place, tmp_path: Path, name: str, damage: Callable[[Place, str], None]
) -> None:
    first = place.registry.publish("m", model(tmp_path / "a", "a"), {})
    place.registry.promote("m", 1)
    second = place.registry.publish("m", model(tmp_path / "b", "b"), {})
    place.registry.promote("m", 2)
    damage(place, f"m/2/{name}")
    away = place.elsewhere()
    for refused in (
        lambda: away.get("m", 2),
        lambda: away.verify(second),
        lambda: away.champion("m"),
        lambda: away.promote("m", 2),
    ):
        with pytest.raises((CorruptArtifact, RegistryError)):
            refused()
    assert "in production" in away.problems("m")[-1]
    assert away.rollback("m").digest == first.digest
    assert away.publish("m", model(tmp_path / "again", "b"), {}).version == 3


def test_a_version_copied_to_another_number_does_not_count(place: Place, tmp_path: Path) -> None:
    first = place.registry.publish("m", model(tmp_path / "a"), {})
    copy(place, "m/1", "m/5")
    assert place.registry.versions("m") == [first]
    assert "cannot be copied" in place.registry.problems("m")[0]
    assert place.registry.publish("m", model(tmp_path / "b", "b"), {}).version == 6


def test_the_pointer_moves_and_moves_back_and_keeps_its_history(place: Place, tmp_path: Path) -> None:
    versions = [place.registry.publish("m", model(tmp_path / text, text), {}) for text in "abc"]
    for version in versions:
        place.registry.promote("m", version.version)
    place.registry.promote("m", 3)
    assert place.registry.champion("m") == versions[2]
    assert [place.registry.rollback("m").version for _ in range(2)] == [2, 1]
    assert str(place.elsewhere().pointer("m")) == versions[0].reference
    with pytest.raises(RegistryError, match="no earlier version"):
        place.registry.rollback("m")
    assert [(move["action"], move["version"]) for move in place.elsewhere().history("m")] == [
        ("promote", 1), ("promote", 2), ("promote", 3), ("rollback", 2), ("rollback", 1),
    ]  # fmt: skip


def test_the_pointer_moves_only_from_where_it_was_seen(place: Place, tmp_path: Path) -> None:
    first, second, _third = (place.registry.publish("m", model(tmp_path / text, text), {}) for text in "abc")
    place.registry.promote("m", 1, replacing="")
    place.registry.promote("m", 2, replacing=first.reference)
    place.registry.promote("m", 2, replacing=first.reference)  # a repeat after a crash
    for seen in ["", first.reference]:
        with pytest.raises(RegistryError, match=rf"but {second.reference} is; .*run the pipeline again"):
            place.registry.promote("m", 3, replacing=seen)
    assert place.registry.champion("m") == second


def test_what_was_rolled_back_stays_withdrawn_until_somebody_puts_it_back(place: Place, tmp_path: Path) -> None:
    first, second = (place.registry.publish("m", model(tmp_path / text, text), {}) for text in "ab")
    place.registry.promote("m", 1)
    place.registry.promote("m", 2)
    assert not place.registry.withdrawn("m", second.digest)
    place.registry.rollback("m")
    assert [place.registry.withdrawn("m", version.digest) for version in (first, second)] == [False, True]
    place.registry.promote("m", 2)
    assert not place.registry.withdrawn("m", second.digest)


def test_a_reference_names_a_version_by_number_and_content(place: Place, tmp_path: Path) -> None:
    version = place.registry.publish("m", model(tmp_path / "a"), {})
    assert place.registry.resolve("m", version.reference) == version
    assert find(place.root, version.reference).digest == version.digest
    with pytest.raises(RegistryError, match="start a new run"):
        place.registry.resolve("m", f"1@sha256:{'0' * 64}")
    with pytest.raises(RegistryError, match="no such version under m"):
        find(place.root, f"1@sha256:{'0' * 64}")
    for text in ["1", "", "01@" + version.digest, "1@sha256:", "1@md5:0", f"1@{version.digest}x"]:
        with pytest.raises(RegistryError, match="wanted a model version such as"):
            Pointer.parse(text)


@pytest.mark.parametrize(
    "content", [b"{", b"[]", b"{}", b'{"champion": {"version": "../1", "digest": "x"}, "previous": []}']
)
def test_a_broken_pointer_is_an_error_and_not_no_champion(place: Place, tmp_path: Path, content: bytes) -> None:
    place.registry.promote("m", place.registry.publish("m", model(tmp_path / "a"), {}).version)
    place.write(place.pointer(1), content)
    with pytest.raises(CorruptArtifact, match="wanted a pointer"):
        place.registry.champion("m")


def test_what_is_not_there_is_named_with_what_is(place: Place, tmp_path: Path) -> None:
    place.registry.publish("flight_delay", model(tmp_path / "a"), {})
    with pytest.raises(RegistryError, match="did you mean 'flight_delay'"):
        place.registry.get("flight_dely", 1)
    with pytest.raises(RegistryError, match="no version 2; known: 1"):
        place.registry.get("flight_delay", 2)
    with pytest.raises(RegistryError, match=r"no saved_model\.pb"):
        place.registry.publish("flight_delay", tmp_path, {})


def test_a_link_in_a_model_is_refused(place: Place, tmp_path: Path) -> None:
    source = model(tmp_path / "a")
    (source / "assets").symlink_to("/etc")
    with pytest.raises(RegistryError, match="got a link"):
        place.registry.publish("m", source, {})
    assert place.registry.numbers("m") == []


def _publish(place: Place, cache: str, source: Path, barrier: Barrier) -> None:
    barrier.wait()
    registry = place.elsewhere(cache)
    registry.promote("m", registry.publish("m", source, {}).version)


def test_processes_that_push_at_the_same_time_get_a_version_for_each_model(place: Place, tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    barrier = context.Barrier(4)
    sources = [model(tmp_path / str(number), str(number // 2)) for number in range(4)]
    workers = [
        context.Process(target=_publish, args=(place, f"cache-{number % 2}", source, barrier))
        for number, source in enumerate(sources)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0] * 4
    assert [version.version for version in place.registry.versions("m")] == [1, 2]
    assert place.registry.champion("m") is not None
    assert place.registry.problems("m") == []


def _compete(place: Place, seen: str, version: int, barrier: Barrier) -> None:
    registry = place.elsewhere(f"cache-{version}")
    barrier.wait()
    try:
        registry.promote("m", version, replacing=seen)
    except RegistryError:
        os._exit(3)


def test_of_those_who_saw_the_same_champion_one_takes_its_place(place: Place, tmp_path: Path) -> None:
    versions = [place.registry.publish("m", model(tmp_path / str(number), str(number)), {}) for number in range(4)]
    place.registry.promote("m", 1)
    context = multiprocessing.get_context("fork")
    barrier = context.Barrier(3)
    workers = [
        context.Process(target=_compete, args=(place, versions[0].reference, version.version, barrier))
        for version in versions[1:]
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert sorted(worker.exitcode for worker in workers) == [0, 3, 3]
    winner = versions[1:][[worker.exitcode for worker in workers].index(0)]
    assert place.registry.champion("m") == winner
    assert len(place.registry.history("m")) == 2


def test_a_flipped_bit_of_a_manifest_is_found(place: Place, tmp_path: Path) -> None:
    place.registry.publish("m", model(tmp_path / "a"), {"rows": 7})
    content = place.read("m/1/manifest.json")
    for position in range(0, len(content) - 1, 11):
        changed = content[:position] + bytes([content[position] ^ 1]) + content[position + 1 :]
        place.write("m/1/manifest.json", changed)
        try:
            place.registry.get("m", 1)
        except MlopsError:
            continue
        assert json.loads(changed) == json.loads(content), position  # white space only
