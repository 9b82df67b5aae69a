"""Promises of `core.objects` in Google Cloud Storage; what the contract of registries covers is not repeated."""

import os
import random
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from core import digest, objects
from core.backends.registry import open_registry
from core.errors import MlopsError, NoSuchObject, StoreError, UsageError
from core.object_stores import gcs
from tests.google_storage import BUCKET, PAGE, UNIT, Served
from tests.loopback import Fault
from tests.object_store import check_that_what_changes_is_read_again
from tests.unit.backends.registries import model


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the library wait hardly at all between two attempts."""
    from google.cloud.storage import retry
    from google.resumable_media import _helpers

    monkeypatch.setattr(retry, "DEFAULT_RETRY", retry.DEFAULT_RETRY.with_delay(initial=0.001, maximum=0.01))
    monkeypatch.setattr(_helpers, "calculate_retry_wait", lambda base, *_: (base, 0.001))


def test_what_is_written_is_listed_read_and_removed(google_storage: Served) -> None:
    there = google_storage.address
    names = [f"a/{number:02d}" for number in range(3 * PAGE)] + ["a/b/2", "c"]
    for name in names:
        objects.write(f"{there}/{name}", name.encode())
    assert [(entry.name, entry.is_folder) for entry in objects.entries(there)] == [("a", True), ("c", False)]
    assert [entry.address for entry in objects.walk(there)] == [f"{there}/{name}" for name in sorted(names)]
    assert len(objects.entries(f"{there}/a")) == 3 * PAGE + 1
    assert objects.entries(f"gs://{BUCKET}")[0].is_folder
    assert objects.read(f"{there}/a/b/2") == b"a/b/2"
    assert objects.digest_of(f"{there}/c") == digest.of_bytes(b"c")
    before = objects.stat(f"{there}/c")
    objects.write(f"{there}/c", b"d")
    assert (before.size, before.stamp != objects.stat(f"{there}/c").stamp) == (1, True)
    for _ in range(2):
        objects.delete(f"{there}/c")
    assert [entry.name for entry in objects.entries(there)] == ["a"]


def test_an_object_that_does_not_exist_is_named(google_storage: Served) -> None:
    objects.write(f"{google_storage.address}/folder/file", b"")
    for name in ("none", "folder/fil", "folder/file/deeper"):
        address = f"{google_storage.address}/{name}"
        assert objects.entries(address) == objects.walk(address) == []
        for operation in (objects.read, objects.stat, objects.open_object, objects.digest_of):
            with pytest.raises(NoSuchObject, match=name):
                operation(address)


def test_a_stream_reads_as_a_file_does(google_storage: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objects, "BLOCK", 64)
    path, address, choices = tmp_path / "file", f"{google_storage.address}/file", random.Random(2)
    path.write_bytes(content := random.Random(1).randbytes(500) + b"\nlast line\n")
    objects.write(address, content)
    with path.open("rb") as file, objects.open_object(address) as stream:
        for _ in range(40):
            position, count = choices.randrange(len(content) + 20), choices.choice([0, 1, 8, 63, 64, 65, 300, -1])
            whence = choices.choice([os.SEEK_SET, os.SEEK_CUR, os.SEEK_END])
            offset = {os.SEEK_SET: position, os.SEEK_CUR: 0, os.SEEK_END: -min(position, len(content))}[whence]
            assert file.seek(offset, whence) == stream.seek(offset, whence)
            assert file.read(count) == stream.read(count)
            assert file.readline() == stream.readline()
            assert file.tell() == stream.tell()


def test_an_object_that_is_written_while_it_is_read_is_an_error(
    google_storage: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(objects, "BLOCK", 10)
    address = f"{google_storage.address}/file"
    objects.write(address, b"a" * 100)
    with objects.open_object(address) as stream:
        assert stream.read(5) == b"aaaaa"
        objects.write(address, b"b" * 100)
        with pytest.raises(StoreError, match="written again while it was read"):
            stream.read()


def test_an_object_that_is_written_while_its_digest_is_taken_or_it_is_downloaded_is_read_again(
    google_storage: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_that_what_changes_is_read_again(f"{google_storage.address}/file", tmp_path / "copy", monkeypatch)


@pytest.mark.parametrize("size", [0, 1, (8 << 20) + 3])
def test_a_file_is_downloaded_as_it_was_uploaded_also_when_answers_are_cut(
    google_storage: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr(objects, "_PART", 16 * UNIT)  # the largest one goes in parts
    path, address = tmp_path / "file", f"{google_storage.address}/file"
    path.write_bytes(random.Random(size).randbytes(size))
    faults = [Fault(503), None, Fault(503), Fault(429), None, Fault(cut=True), None]
    google_storage.loopback.faults = faults if size > 1 else faults[:1]
    objects.upload(path, address, digest.of_file(path))
    google_storage.loopback.faults = [None, Fault(cut=True), Fault(500), Fault(cut=True, answered=True)]
    assert objects.download(address, tmp_path / "back") == digest.of_file(path) == digest.of_file(tmp_path / "back")


def test_an_upload_of_a_file_that_changes_leaves_no_object(google_storage: Served, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("new")
    with pytest.raises(StoreError, match="read back"):
        objects.upload(tmp_path / "file", f"{google_storage.address}/file", digest.of_bytes(b"old"))
    assert objects.walk(google_storage.address) == []


FAULTS = [
    *(Fault(status, answered=answered) for status in (408, 429, 500, 502, 503, 504) for answered in (False, True)),
    Fault(cut=True),
    Fault(cut=True, answered=True),
]


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_a_fault_that_passes_changes_no_answer(google_storage: Served, fault: Fault) -> None:
    address, storage = f"{google_storage.address}/claim", google_storage.loopback
    storage.faults = [fault]
    assert objects.create(address, b"mine")  # also when the answer to the first request was lost
    storage.faults = [fault]
    assert not objects.create(address, b"yours")
    for operation in (
        lambda: objects.write(address, b"content"),
        lambda: objects.read(address),
        lambda: objects.stat(address),
        lambda: objects.walk(google_storage.address),
        lambda: objects.delete(address),
    ):
        storage.faults = [fault, fault]
        operation()
        assert len(storage.faults) < 2  # an answer without content cannot be cut
    assert objects.walk(google_storage.address) == []


def test_one_of_many_writers_creates_an_object(google_storage: Served) -> None:
    address, won = f"{google_storage.address}/claim", []

    def claim(number: int) -> None:
        if objects.create(address, f"{number}".encode()):
            won.append(number)

    writers = [threading.Thread(target=claim, args=(number,)) for number in range(8)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(300)
    assert [f"{number}".encode() for number in won] == [objects.read(address)]


def test_a_store_that_ignores_the_condition_is_found_out_by_the_writer_that_lost(
    google_storage: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(google_storage.storage, "ignores_conditions", True)
    put_new = objects._put_new

    def overtaken(to: str, content: bytes) -> bool:
        refused = put_new(to, content)
        objects.write(to, b"another's")
        return refused

    monkeypatch.setattr(objects, "_put_new", overtaken)
    with pytest.raises(StoreError, match="honours ifGenerationMatch"):
        objects.create(f"{google_storage.address}/claim", b"ours")


def test_a_byte_that_changed_on_the_way_is_found_by_the_checksum(google_storage: Served) -> None:
    address = f"{google_storage.address}/file"
    objects.write(address, b"content")
    answer = google_storage.loopback._answer
    try:
        google_storage.loopback._answer = lambda request: _flipped(answer(request))
        with pytest.raises(StoreError, match="checksum"):
            objects.read(address)
    finally:
        google_storage.loopback._answer = answer


def _flipped(answer):  # noqa: ANN001, ANN202
    from dataclasses import replace

    return replace(answer, body=b"X" + answer.body[1:])


@pytest.mark.parametrize(
    ("status", "message"),
    [(403, "refused: 403.*roles/storage.objectUser on the bucket"), (400, "answered 400: .*injected")],
)
def test_a_refusal_says_what_to_do_and_is_not_repeated(google_storage: Served, status: int, message: str) -> None:
    google_storage.loopback.every = lambda _: Fault(status)
    for operation in (objects.entries, objects.stat, objects.read, lambda address: objects.write(address, b"")):
        google_storage.loopback.requests = []
        with pytest.raises(StoreError, match=rf"{google_storage.address}/x.*{google_storage.url} {message}"):
            operation(f"{google_storage.address}/x")
        assert len(google_storage.loopback.requests) == 1


@pytest.mark.parametrize(
    "operation", [objects.entries, objects.walk, objects.read, objects.stat, objects.open_object, objects.delete]
)
def test_a_missing_bucket_is_named(google_storage: Served, operation: Callable[[str], object]) -> None:
    with pytest.raises(StoreError, match=r"no bucket 'not-there' in http.*create it") as caught:
        operation("gs://not-there/file")
    assert not isinstance(caught.value, NoSuchObject)


def test_a_service_that_is_away_or_slow_is_an_error_after_the_deadline(
    google_storage: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    from google.resumable_media import _helpers

    monkeypatch.setattr(gcs, "SECONDS", 0.2)
    monkeypatch.setattr(_helpers, "calculate_retry_wait", lambda base, *_: (base, 0.1))
    google_storage.loopback.every = lambda _: Fault(seconds=1.0)
    with pytest.raises(StoreError, match="does not answer"):
        objects.read(f"{google_storage.address}/file")
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "http://127.0.0.1:1")
    with pytest.raises(StoreError, match=r"http://127.0.0.1:1 does not answer.*STORAGE_EMULATOR_HOST"):
        objects.entries("gs://bucket/folder")


def test_missing_credentials_say_how_to_log_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("STORAGE_EMULATOR_HOST", raising=False)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))
    with pytest.raises(StoreError, match="gcloud auth application-default login"):
        objects.read("gs://bucket/file")


@pytest.mark.parametrize("url", ["localhost:9000", "http://user:secret@localhost:9000", "ftp://localhost"])
def test_an_invalid_endpoint_is_a_usage_error(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", url)
    with pytest.raises(UsageError, match=r"STORAGE_EMULATOR_HOST as http\(s\)://host:port") as caught:
        objects.read("gs://bucket/file")
    assert "secret" not in str(caught.value)


def test_a_fork_has_a_connection_of_its_own(google_storage: Served) -> None:
    objects.write(f"{google_storage.address}/file", b"content")
    connection = gcs.connect()
    child = os.fork()
    if child == 0:
        try:
            inherited = connection is gcs.connect()
            done = objects.read(f"{google_storage.address}/file") == b"content" and not inherited
        except MlopsError:
            done = False
        os._exit(0 if done else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert gcs.connect() is connection


def test_a_push_outlives_a_storm_of_faults(google_storage: Served, tmp_path: Path) -> None:
    """Every second request fails, before or after the service has done what it asks."""
    choices, answers = random.Random(3), iter(range(10**6))
    google_storage.loopback.every = lambda _: choices.choice(FAULTS) if next(answers) % 2 else None
    registry = open_registry(f"{google_storage.address}/models", tmp_path / "cache")
    registry.promote("m", registry.publish("m", model(tmp_path / "m"), {}).version)
    google_storage.loopback.every = lambda _: None
    assert open_registry(registry.root, tmp_path / "other").champion("m").version == 1
    assert registry.problems("m") == []
