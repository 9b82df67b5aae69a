"""An S3 store for tests: moto's server in this process, or the one that MLOPS_TEST_S3 names (with its keys in AWS_*).

Faults are met where s3fs makes its calls, so that every request a store gets can be the one that fails.
"""

import contextlib
import logging
import os
import threading
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from core import digest, objects
from core.errors import StoreError
from core.object_stores import s3

BUCKET = "mlops-tests"
KEYS = {
    "AWS_ACCESS_KEY_ID": "AKIDTEST",
    "AWS_SECRET_ACCESS_KEY": "a-secret-that-must-never-be-shown",
    "AWS_REGION": "us-east-1",
}


class _OneAtATime:
    """moto checks whether an object exists and then writes it; a request in between would break what S3 promises."""

    def __init__(self, application: Any) -> None:
        self._application = application
        self._lock = threading.Lock()

    def __call__(self, environ: Any, start_response: Any) -> Iterable[bytes]:
        with self._lock:
            return list(self._application(environ, start_response))


@pytest.fixture(scope="session")
def object_store() -> Iterator[str]:
    """The endpoint of a store that is there for all tests."""
    given = os.environ.get("MLOPS_TEST_S3")
    if given:
        yield given
        return
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import make_server

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = make_server("127.0.0.1", 0, _OneAtATime(DomainDispatcherApplication(create_backend_app)), threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()


@pytest.fixture
def bucket(object_store: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """An address with nothing below it; the environment says how to reach it."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", object_store)
    for key, value in KEYS.items():
        if "MLOPS_TEST_S3" not in os.environ:
            monkeypatch.setenv(key, value)
    with contextlib.suppress(OSError):  # the bucket of an earlier test
        s3.connect().call_s3("create_bucket", Bucket=BUCKET)
    return f"s3://{BUCKET}/{uuid.uuid4().hex[:12]}"


class Calls:
    """Counts the calls to the store, and meets a fault at one of them."""

    def __init__(self, fault: Callable[[str], None] | None = None, at: int = 0, *, answered: bool = False) -> None:
        self.count = 0
        self.names: list[str] = []
        self._fault = fault
        self._at = at
        self._answered = answered
        """Whether the store does what it is asked before the fault."""

    @contextmanager
    def watching(self) -> Iterator["Calls"]:
        """Watch every call of this process while the block runs."""
        from s3fs import S3FileSystem

        original = S3FileSystem._call_s3

        async def call(files: Any, method: str, *args: Any, **kwargs: Any) -> Any:
            self.count += 1
            self.names.append(method)
            mine = self.count == self._at
            if mine and not self._answered and self._fault:
                self._fault(method)
            answer = await original(files, method, *args, **kwargs)
            if mine and self._fault:
                self._fault(method)
            return answer

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(S3FileSystem, "_call_s3", call)
            yield self


def check_that_what_changes_is_read_again(address: str, copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Write an object while it is read: three times, which is read again, and without an end, which is an error."""
    objects.write(address, b"a" * 100)
    read, left = objects._Reader.readinto, [3]

    def overtaken(reader: Any, buffer: Any) -> int:
        if left[0]:
            left[0] -= 1
            objects.write(address, bytes([left[0] % 256]) * 100)
        return read(reader, buffer)

    monkeypatch.setattr(objects._Reader, "readinto", overtaken)
    assert objects.digest_of(address) == digest.of_bytes(bytes(100))
    left[0] = 3
    assert objects.download(address, copy) == digest.of_bytes(bytes(100))
    assert copy.read_bytes() == bytes(100)
    left[0] = 1000
    with pytest.raises(StoreError, match="written again while it was read"):
        objects.digest_of(address)
