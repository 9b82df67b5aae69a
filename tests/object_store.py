"""An S3 store for tests: moto's server in this process, or the one that MLOPS_TEST_S3 names (with its keys in AWS_*).

Faults are met where s3fs makes its calls, so that every request a store gets can be the one that fails.
"""

import contextlib
import os
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes

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


class _Handler(BaseHTTPRequestHandler):
    """Answers the requests of one connection after another; werkzeug's server closes each connection at its answer."""

    application: Any
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    # moto checks whether an object exists and then writes it; a request in between would break what S3 promises.
    one_at_a_time = threading.Lock()

    def handle_expect_100(self) -> bool:
        super().handle_expect_100()
        self.wfile.flush()
        return True

    def _any(self) -> None:
        path, _, query = self.path.partition("?")
        environment = {
            "REQUEST_METHOD": self.command,
            "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
            "QUERY_STRING": query,
            "RAW_URI": self.path,
            "SERVER_NAME": "127.0.0.1",
            "SERVER_PORT": str(self.server.server_address[1]),
            "SERVER_PROTOCOL": self.request_version,
            "wsgi.url_scheme": "http",
            "wsgi.input": BytesIO(self.rfile.read(int(self.headers.get("Content-Length") or 0))),
            **{f"HTTP_{name.upper().replace('-', '_')}": value for name, value in self.headers.items()},
        }
        for name in ("CONTENT_TYPE", "CONTENT_LENGTH"):
            environment[name] = environment.get(f"HTTP_{name}", "")
        answers: list[tuple[str, list[tuple[str, str]]]] = []
        try:
            with self.one_at_a_time:
                body = b"".join(type(self).application(environment, lambda *answer: answers.append(answer[:2])))
            status, headers = answers[0]
        except Exception:
            status, headers, body = "500 INTERNAL SERVER ERROR", [], b""
        self.send_response_only(int(status.split()[0]), status.partition(" ")[2])
        for name, value in headers:
            self.send_header(name, value)
        if not any(name.lower() == "content-length" for name, _ in headers):
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(b"" if self.command == "HEAD" else body)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = _any  # noqa: N815 - http.server's names


@pytest.fixture(scope="session")
def object_store() -> Iterator[str]:
    """The endpoint of a store that is there for all tests."""
    given = os.environ.get("MLOPS_TEST_S3")
    if given:
        yield given
        return
    from botocore import utils
    from moto.moto_server.werkzeug_app import create_backend_app

    class Handler(_Handler):
        application = create_backend_app("s3")

    parse = utils._parse_timestamp_with_tzinfo

    def parsed(value: Any, zone: Any) -> datetime:
        """Read a time of S3 without dateutil, which takes a third of a listing."""
        text = isinstance(value, str) and value.endswith("Z")
        return datetime.fromisoformat(value) if text else parse(value, zone)

    utils._parse_timestamp_with_tzinfo = parsed
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
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
