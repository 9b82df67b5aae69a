"""Promises of `core.objects`: writes are atomic, one of many creates an object, every error says what to do."""

import os
import random
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core import digest, objects
from core.errors import MlopsError, NoSuchObject, StoreError, UsageError
from core.object_stores import s3
from tests.object_store import KEYS, Calls, check_that_what_changes_is_read_again


def test_what_is_written_is_listed_read_and_removed(bucket: str) -> None:
    for name in ("a/1", "a/b/2", "c"):
        objects.write(f"{bucket}/{name}", name.encode())
    assert [(entry.name, entry.is_folder) for entry in objects.entries(bucket)] == [("a", True), ("c", False)]
    assert [entry.address for entry in objects.walk(bucket)] == [f"{bucket}/{name}" for name in ("a/1", "a/b/2", "c")]
    assert [entry.size for entry in objects.walk(f"{bucket}/a")] == [3, 5]
    assert objects.read(f"{bucket}/a/b/2") == b"a/b/2"
    assert objects.digest_of(f"{bucket}/c") == digest.of_bytes(b"c")
    objects.delete(f"{bucket}/c")
    objects.delete(f"{bucket}/c")
    assert [entry.name for entry in objects.entries(bucket)] == ["a"]


def test_a_listing_has_what_another_process_has_just_written(bucket: str) -> None:
    objects.write(f"{bucket}/a/1", b"")
    assert len(objects.entries(f"{bucket}/a")) == 1
    from s3fs import S3FileSystem

    another = S3FileSystem(endpoint_url=os.environ["AWS_ENDPOINT_URL"], skip_instance_cache=True)
    another.pipe_file(f"{bucket}/a/2", b"new")
    assert [entry.name for entry in objects.entries(f"{bucket}/a")] == ["1", "2"]
    assert len(objects.walk(bucket)) == 2
    before = objects.stat(f"{bucket}/a/2").stamp
    another.pipe_file(f"{bucket}/a/2", b"old")
    assert objects.stat(f"{bucket}/a/2").stamp != before


def test_an_object_that_does_not_exist_is_named(bucket: str) -> None:
    objects.write(f"{bucket}/folder/file", b"")
    for name in ("none", "folder/fil", "folder/file/deeper"):
        assert objects.entries(f"{bucket}/{name}") == []
        assert objects.walk(f"{bucket}/{name}") == []
        for operation in (objects.read, objects.stat, objects.open_object, objects.digest_of):
            with pytest.raises(NoSuchObject, match=name):
                operation(f"{bucket}/{name}")


@pytest.mark.parametrize(
    "address",
    [
        "",
        "s3:/b/x",
        "s3://",
        "s3://b/x",
        "s3://Bucket/x",
        "s3://bucket/../x",
        "s3://bucket/a/./b",
        "s3://bucket//x",
        "s3://bucket/a*",
        "gs://bucket//x",
        "gs://-bucket/x",
        "az://bucket/x",
    ],
)
def test_an_invalid_address_is_a_usage_error(address: str) -> None:
    with pytest.raises(UsageError, match="such as s3://bucket/folder"):
        objects.checked(address)
    assert objects.checked("s3://bucket/a b/c=1/") == "s3://bucket/a b/c=1"


def test_a_stream_reads_as_a_file_does(bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objects, "BLOCK", 64)
    content = random.Random(1).randbytes(500) + b"\nlast line\n"
    path = tmp_path / "file"
    path.write_bytes(content)
    objects.write(f"{bucket}/file", content)
    choices = random.Random(2)
    with path.open("rb") as file, objects.open_object(f"{bucket}/file") as stream:
        for _ in range(60):
            position, count = choices.randrange(len(content) + 20), choices.choice([0, 1, 8, 63, 64, 65, 300, -1])
            whence = choices.choice([os.SEEK_SET, os.SEEK_CUR, os.SEEK_END])
            if whence == os.SEEK_END:
                position = -min(position, len(content))
            elif whence == os.SEEK_CUR:
                position = 0
            assert file.seek(position, whence) == stream.seek(position, whence)
            assert file.read(count) == stream.read(count)
            assert file.readline() == stream.readline()
            assert file.tell() == stream.tell()


def test_an_object_that_is_written_while_it_is_read_is_an_error(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objects, "BLOCK", 10)
    objects.write(f"{bucket}/file", b"a" * 100)
    with objects.open_object(f"{bucket}/file") as stream:
        assert stream.read(5) == b"aaaaa"
        objects.write(f"{bucket}/file", b"b" * 100)
        with pytest.raises(StoreError, match="written again while it was read"):
            stream.read()


def test_an_object_that_is_written_while_its_digest_is_taken_or_it_is_downloaded_is_read_again(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_that_what_changes_is_read_again(f"{bucket}/file", tmp_path / "copy", monkeypatch)


@pytest.mark.parametrize("size", [0, 1, 100, 11 << 20])
def test_a_file_is_downloaded_as_it_was_uploaded(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr(objects, "_PART", 5 << 20)  # the largest one goes in parts
    path = tmp_path / "file"
    path.write_bytes(random.Random(size).randbytes(size))
    objects.upload(path, f"{bucket}/file", digest.of_file(path))
    assert (
        objects.download(f"{bucket}/file", tmp_path / "back")
        == digest.of_file(path)
        == digest.of_file(tmp_path / "back")
    )


def test_an_upload_of_a_file_that_changes_leaves_no_object(bucket: str, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("new")
    with pytest.raises(StoreError, match="read back"):
        objects.upload(path, f"{bucket}/file", digest.of_bytes(b"old"))
    assert objects.walk(bucket) == []


def test_an_interrupted_upload_in_parts_leaves_no_object(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(objects, "_PART", 5 << 20)
    path = tmp_path / "file"
    path.write_bytes(bytes(11 << 20))

    def cut(method: str) -> None:
        raise OSError(f"{method} was cut")

    for at in range(1, 6):
        with Calls(cut, at).watching() as calls, pytest.raises(StoreError):
            objects.upload(path, f"{bucket}/{at}", digest.of_file(path))
        assert "upload_part" in calls.names or at == 1
        assert objects.walk(bucket) == []


def test_one_of_two_processes_creates_an_object(bucket: str) -> None:
    assert objects.create(f"{bucket}/claim", b"mine")
    assert not objects.create(f"{bucket}/claim", b"yours")
    assert objects.read(f"{bucket}/claim") == b"mine"
    assert objects.create(f"{bucket}/claim", b"mine")  # a repeat after a lost response


@pytest.mark.parametrize("code", ["PreconditionFailed", "ConditionalRequestConflict"])
def test_a_refused_creation_is_recognized_for_every_store(
    bucket: str, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    """SeaweedFS does not repeat the condition in its response, as AWS does; s3fs then raises a plain OSError."""
    objects.write(f"{bucket}/claim", b"mine")
    _answer_writes(monkeypatch, code)
    assert not objects.create(f"{bucket}/claim", b"yours")
    assert not objects.create(f"{bucket}/just-being-written", b"yours")


def _answer_writes(monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    """Make every call to the store but reads fail with an error code."""
    from botocore.exceptions import ClientError
    from s3fs import S3FileSystem
    from s3fs.errors import translate_boto_error

    original = S3FileSystem._call_s3

    async def answering(files: Any, method: str, *args: Any, **kwargs: Any) -> Any:
        if method == "get_object":
            return await original(files, method, *args, **kwargs)
        raise translate_boto_error(ClientError({"Error": {"Code": code, "Message": "no"}}, method))

    monkeypatch.setattr(S3FileSystem, "_call_s3", answering)


@pytest.mark.parametrize("code", ["AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "403"])
def test_a_refusal_names_the_store_and_the_variables_and_never_a_key(
    bucket: str, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    _answer_writes(monkeypatch, code)
    endpoint = os.environ["AWS_ENDPOINT_URL"]
    for operation in (
        objects.entries,
        objects.stat,
        lambda address: objects.write(address, b""),
        lambda address: objects.create(address, b""),
    ):
        with pytest.raises(StoreError, match=rf"{bucket}.*{endpoint} refused.*AWS_ACCESS_KEY_ID") as caught:
            operation(bucket)
        assert not any(os.environ[key] in str(caught.value) for key in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"))


def test_missing_keys_name_the_variables_to_set(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for key in KEYS:
        monkeypatch.delenv(key, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
    monkeypatch.setattr(s3, "_CONNECTIONS", {})
    with pytest.raises(StoreError, match=r"no credentials for .*AWS_SECRET_ACCESS_KEY"):
        objects.read(f"{bucket}/file")


@pytest.mark.parametrize(
    "operation",
    [
        objects.entries,
        objects.walk,
        objects.read,
        objects.stat,
        objects.open_object,
        lambda address: objects.write(address, b""),
    ],
)
def test_a_missing_bucket_is_named(bucket: str, operation: Callable[[str], object]) -> None:
    if "MLOPS_TEST_S3" in os.environ:
        pytest.skip("SeaweedFS makes a bucket that is written to")
    with pytest.raises(StoreError, match=r"no bucket 'not-there' in http.*create it"):
        operation("s3://not-there/file")


def test_an_endpoint_that_refuses_connections_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setattr(s3, "_ATTEMPTS", 1)
    _with_keys(monkeypatch)
    with pytest.raises(StoreError, match=r"http://127.0.0.1:1 does not answer.*AWS_ENDPOINT_URL.*port-forward"):
        objects.entries("s3://bucket/folder")


def test_a_store_that_does_not_answer_is_an_error_after_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3, "SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.getsockname()[1]}")
        _with_keys(monkeypatch)
        started = time.monotonic()
        with pytest.raises(StoreError, match="does not answer"):
            objects.read("s3://bucket/file")
        assert time.monotonic() - started < 50


def _with_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for key, value in KEYS.items():
        monkeypatch.setenv(key, value)


@pytest.mark.parametrize("url", ["localhost:9000", "http://user:secret@localhost:9000", "ftp://localhost", "http://"])
def test_an_invalid_endpoint_is_a_usage_error(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", url)
    with pytest.raises(UsageError, match=r"AWS_ENDPOINT_URL as http\(s\)://host:port") as caught:
        objects.read("s3://bucket/file")
    assert "secret" not in str(caught.value)


def test_a_fork_does_not_close_its_parents_connection(bucket: str) -> None:
    """A child that closed the inherited connection would remove the parent's socket from the epoll that both share."""
    objects.write(f"{bucket}/file", b"content")
    connection = s3.connect()
    child = os.fork()
    if child == 0:
        try:
            inherited = connection is s3.connect()
            done = objects.read(f"{bucket}/file") == b"content" and not inherited
        except MlopsError:
            done = False
        os._exit(0 if done else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert s3.connect() is connection
    assert objects.read(f"{bucket}/file") == b"content"
