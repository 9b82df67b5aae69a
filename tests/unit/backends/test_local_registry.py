import errno
import json
import multiprocessing
import os
import shutil
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest

from core import digest
from core.backends.local_registry import LocalRegistry
from core.backends.registry import Pointer, open_registry
from core.errors import CorruptArtifact, MlopsError, RegistryError

FROZEN = datetime(2013, 11, 3, 1, 30, tzinfo=UTC)


def model(folder: Path, content: str = "weights") -> Path:
    (folder / "variables").mkdir(parents=True)
    (folder / "assets.extra").mkdir()
    (folder / "saved_model.pb").write_text("graph")
    (folder / "variables" / "variables.data-00000-of-00001").write_text(content)
    (folder / "assets.extra" / "features.json").write_text("{}")
    return folder


@pytest.fixture
def registry(tmp_path: Path) -> LocalRegistry:
    return LocalRegistry(tmp_path / "models", clock=lambda: FROZEN)


def test_a_published_model_lies_as_tensorflow_serving_reads_it_and_says_where_it_comes_from(
    registry: LocalRegistry, tmp_path: Path
) -> None:
    source = model(tmp_path / "m")
    version = registry.publish("flight_delay", source, {"spans": [1, 2, 3]})
    assert version.path == tmp_path / "models" / "flight_delay" / "1"
    assert sorted(path.name for path in version.path.iterdir()) == [
        "assets.extra",
        "manifest.json",
        "saved_model.pb",
        "variables",
    ]
    assert version.digest == digest.of_folder(source)
    assert (version.about, version.created) == ({"spans": [1, 2, 3]}, "2013-11-03T01:30:00+00:00")
    assert registry.names() == ["flight_delay"]
    assert registry.champion("flight_delay") is None


def test_two_pushes_with_a_frozen_clock_are_two_versions(registry: LocalRegistry, tmp_path: Path) -> None:
    versions = [registry.publish("m", model(tmp_path / text, text), {}).version for text in "ab"]
    assert versions == [1, 2]


def test_the_same_model_again_is_the_version_it_has(registry: LocalRegistry, tmp_path: Path) -> None:
    first = registry.publish("m", model(tmp_path / "a"), {})
    assert registry.publish("m", model(tmp_path / "b"), {"other": 1}) == first


def test_a_deleted_number_never_comes_back(registry: LocalRegistry, tmp_path: Path) -> None:
    registry.publish("m", model(tmp_path / "a", "a"), {})
    second = registry.publish("m", model(tmp_path / "b", "b"), {})
    shutil.rmtree(second.path)
    assert registry.publish("m", model(tmp_path / "c", "c"), {}).version == 3


@pytest.mark.parametrize(
    "name", ["007", "-1", "٣", "1_0", " 7", "7 ", "+7", "0", "1.0", "9223372036854775808", ".staging-7"]
)
def test_what_is_no_version_is_not_read_as_one(registry: LocalRegistry, tmp_path: Path, name: str) -> None:
    first = registry.publish("m", model(tmp_path / "a"), {})
    shutil.copytree(first.path, first.path.parent / name)
    assert registry.versions("m") == [first]
    assert registry.publish("m", model(tmp_path / "b", "b"), {}).version == 2


@pytest.mark.parametrize("name", ["../x", "/etc", "", ".", "a/b", "a\0b", "ü", "-x", "x" * 64])
def test_a_name_is_never_a_path(registry: LocalRegistry, tmp_path: Path, name: str) -> None:
    with pytest.raises(RegistryError, match="wanted a model name"):
        registry.publish(name, model(tmp_path / "a"), {})


def _remove(path: Path) -> None:
    path.unlink()


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-2])


FILES = ["saved_model.pb", "variables/variables.data-00000-of-00001", "assets.extra/features.json", "manifest.json"]


@pytest.mark.parametrize("damage", [_remove, _flip, _truncate])
@pytest.mark.parametrize("name", FILES)
def test_a_version_that_is_not_whole_is_never_handed_out(
    registry: LocalRegistry, tmp_path: Path, name: str, damage: Callable[[Path], None]
) -> None:
    first = registry.publish("m", model(tmp_path / "a", "a"), {})
    registry.promote("m", 1)
    second = registry.publish("m", model(tmp_path / "b", "b"), {})
    registry.promote("m", 2)
    damage(second.path / name)
    with pytest.raises(CorruptArtifact, match=Path(name).name):
        registry.get("m", 2)
    with pytest.raises(CorruptArtifact):
        registry.verify(second)
    with pytest.raises(CorruptArtifact):
        registry.champion("m")
    with pytest.raises(CorruptArtifact):
        registry.promote("m", 2)
    assert registry.versions("m") == [first]
    assert [Path(name).name in problem for problem in registry.problems("m")] == [True, True]
    assert registry.rollback("m") == first
    assert registry.publish("m", model(tmp_path / "again", "b"), {}).version == 3


def test_every_flipped_bit_of_a_manifest_is_found(registry: LocalRegistry, tmp_path: Path) -> None:
    path = registry.publish("m", model(tmp_path / "a"), {"rows": 7}).path / "manifest.json"
    content = path.read_bytes()
    for position in range(0, len(content) - 1, 3):
        path.write_bytes(content[:position] + bytes([content[position] ^ 1]) + content[position + 1 :])
        try:
            got = registry.get("m", 1)
        except MlopsError:
            continue
        assert json.loads(path.read_bytes()) == json.loads(content), (position, got)  # white space only


def test_files_and_copies_that_were_never_published_do_not_count(registry: LocalRegistry, tmp_path: Path) -> None:
    first = registry.publish("m", model(tmp_path / "a"), {})
    shutil.copytree(first.path, first.path.parent / "5")
    model(first.path.parent / "6")
    assert registry.versions("m") == [first]
    (first.path / "extra").write_text("x")
    assert registry.versions("m") == []
    assert "not in the manifest" in registry.problems("m")[0]


def test_the_pointer_moves_and_moves_back(registry: LocalRegistry, tmp_path: Path) -> None:
    for text in "abc":
        registry.promote("m", registry.publish("m", model(tmp_path / text, text), {}).version)
    registry.promote("m", 3)
    assert registry.champion("m").version == 3
    assert [registry.rollback("m").version for _ in range(2)] == [2, 1]
    assert str(registry.pointer("m")) == registry.get("m", 1).reference
    with pytest.raises(RegistryError, match="no earlier version"):
        registry.rollback("m")
    assert [(move["action"], move["version"]) for move in registry.history("m")] == [
        ("promote", 1), ("promote", 2), ("promote", 3), ("rollback", 2), ("rollback", 1),
    ]  # fmt: skip


def test_the_pointer_moves_only_from_where_it_was_seen(registry: LocalRegistry, tmp_path: Path) -> None:
    first, second, _third = (registry.publish("m", model(tmp_path / text, text), {}) for text in "abc")
    registry.promote("m", 1, replacing="")
    registry.promote("m", 2, replacing=first.reference)
    registry.promote("m", 2, replacing=first.reference)  # a repeat after a crash
    for seen in ["", first.reference]:
        with pytest.raises(RegistryError, match=rf"but {second.reference} is; .*run the pipeline again"):
            registry.promote("m", 3, replacing=seen)
    assert registry.champion("m") == second


def test_what_was_rolled_back_stays_withdrawn_until_somebody_puts_it_back(
    registry: LocalRegistry, tmp_path: Path
) -> None:
    first, second = (registry.publish("m", model(tmp_path / text, text), {}) for text in "ab")
    registry.promote("m", 1)
    registry.promote("m", 2)
    assert not registry.withdrawn("m", second.digest)
    registry.rollback("m")
    assert [registry.withdrawn("m", version.digest) for version in (first, second)] == [False, True]
    registry.promote("m", 2)
    assert not registry.withdrawn("m", second.digest)


def test_a_reference_names_a_version_by_number_and_content(registry: LocalRegistry, tmp_path: Path) -> None:
    version = registry.publish("m", model(tmp_path / "a"), {})
    assert registry.resolve("m", version.reference) == version
    with pytest.raises(RegistryError, match="start a new run"):
        registry.resolve("m", f"1@sha256:{'0' * 64}")
    for text in ["1", "", "01@" + version.digest, "1@sha256:", "1@md5:0", f"1@{version.digest}x"]:
        with pytest.raises(RegistryError, match="wanted a model version such as"):
            Pointer.parse(text)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("{", "pointer"),
        ("[]", "pointer"),
        ("{}", "pointer"),
        ('{"champion": {"version": "../1", "digest": "x"}, "previous": []}', "such as 3@sha256"),
    ],
)
def test_a_broken_pointer_is_an_error_and_not_no_champion(
    registry: LocalRegistry, tmp_path: Path, content: str, says: str
) -> None:
    registry.promote("m", registry.publish("m", model(tmp_path / "a"), {}).version)
    (tmp_path / "models" / "m" / "champion.json").write_text(content)
    with pytest.raises(CorruptArtifact, match=says):
        registry.champion("m")


def test_what_is_not_there_is_named_with_what_is(registry: LocalRegistry, tmp_path: Path) -> None:
    registry.publish("flight_delay", model(tmp_path / "a"), {})
    with pytest.raises(RegistryError, match="did you mean 'flight_delay'"):
        registry.get("flight_dely", 1)
    with pytest.raises(RegistryError, match="no version 2; known: 1"):
        registry.get("flight_delay", 2)
    with pytest.raises(RegistryError, match=r"no saved_model\.pb"):
        registry.publish("flight_delay", tmp_path, {})
    with pytest.raises(RegistryError, match="file:// address"):
        open_registry("gs://bucket/models")


def test_a_link_in_a_model_is_refused(registry: LocalRegistry, tmp_path: Path) -> None:
    source = model(tmp_path / "a")
    (source / "assets").symlink_to("/etc")
    with pytest.raises(RegistryError, match="got a link"):
        registry.publish("m", source, {})


def _publish(root: Path, source: Path, barrier: Barrier) -> None:
    barrier.wait()
    registry = LocalRegistry(root)
    registry.promote("m", registry.publish("m", source, {}).version)


def test_processes_that_push_at_the_same_time_get_a_version_each(registry: LocalRegistry, tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    barrier = context.Barrier(4)
    sources = [model(tmp_path / str(number), str(number // 2)) for number in range(4)]
    workers = [context.Process(target=_publish, args=(registry.root, source, barrier)) for source in sources]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(30)
    assert [worker.exitcode for worker in workers] == [0] * 4
    assert [version.version for version in registry.versions("m")] == [1, 2]
    assert registry.champion("m") is not None
    assert registry.problems("m") == []


def test_nothing_is_renamed_before_it_is_on_the_disk(
    registry: LocalRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a power cut can take is only what was never acknowledged."""
    synced: set[str] = set()
    fsync, rename = os.fsync, os.rename
    renamed: list[str] = []

    def recording_fsync(handle: int) -> None:
        fsync(handle)
        synced.add(str(Path(f"/proc/self/fd/{handle}").readlink()))

    def checking_rename(source: Path, target: Path) -> None:
        below = {str(path) for path in [Path(source), *Path(source).rglob("*")]}
        assert below <= synced
        synced.discard(str(Path(target).parent))
        rename(source, target)
        renamed.append(str(target))

    monkeypatch.setattr(os, "fsync", recording_fsync)
    monkeypatch.setattr(os, "rename", checking_rename)
    version = registry.publish("m", model(tmp_path / "a"), {})
    assert renamed == [str(version.path)]
    assert str(version.path.parent) in synced


def test_a_folder_that_refuses_writing_is_named_with_its_mode() -> None:
    """Root is never refused, so the test steps down where it can."""
    with tempfile.TemporaryDirectory() as outer:
        Path(outer).chmod(0o755)
        root = Path(outer, "models")
        root.mkdir(mode=0o555)
        user = os.geteuid()
        os.seteuid(user or 65534)
        try:
            with pytest.raises(RegistryError, match=rf"{root}: wanted a folder to write models to \(mode 0555"):
                LocalRegistry(root).check_writable("m")
        finally:
            os.seteuid(user)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EACCES])
def test_an_error_of_the_disk_names_the_path(
    registry: LocalRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    source = model(tmp_path / "a")

    def fail(path: Path, mode: int = 0o777) -> None:
        raise OSError(code, os.strerror(code), str(path))

    (registry.root / "m").mkdir(parents=True)
    monkeypatch.setattr(os, "mkdir", fail)
    with pytest.raises(RegistryError, match=rf"{registry.root}/m/.staging-1: {os.strerror(code)}"):
        registry.publish("m", source, {})
