"""Google Cloud Storage in this process: the JSON interface with generations, conditions, checksums and both uploads.

What it answers follows the service's documentation; the emulators in the package index ignore conditions.
"""

import base64
import itertools
import json
import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email import message_from_bytes
from typing import Any
from urllib.parse import unquote

import google_crc32c
import pytest

from tests.loopback import Answer, Loopback, Request

BUCKET = "mlops-tests"
PAGE = 7
"""Objects per page of a listing: small, so that a client that reads the first page only is found out."""
UNIT = 256 << 10
"""The parts of a resumable upload, but the last, are multiples of this, in bytes."""
_UPLOAD = re.compile(r"/upload/storage/v1/b/([^/]+)/o")
_OBJECT = re.compile(r"(/download)?/storage/v1/b/([^/]+)/o/([^/]+)")
_LIST = re.compile(r"/storage/v1/b/([^/]+)/o")
_BUCKET = re.compile(r"/storage/v1/b/([^/]+)(/iam/testPermissions)?")


class Refused(Exception):
    """An answer other than the one that was asked for."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.answer = Answer.of({"error": {"code": status, "message": message}}, status)


@dataclass(frozen=True)
class Stored:
    """One generation of an object."""

    name: str
    content: bytes
    generation: int
    updated: str
    metadata: dict[str, str] = field(default_factory=dict)
    """What the writer noted with it."""

    @property
    def crc32c(self) -> str:
        return base64.b64encode(google_crc32c.Checksum(self.content).digest()).decode()


@dataclass
class Upload:
    """A resumable upload that has begun."""

    bucket: str
    query: dict[str, str]
    about: dict[str, Any]
    content: bytes = b""


@dataclass
class GoogleStorage:
    """The buckets, and what was asked of them."""

    buckets: dict[str, dict[str, Stored]] = field(default_factory=lambda: {BUCKET: {}})
    permissions: set[str] = field(default_factory=lambda: {"storage.objects.create", "storage.objects.get"})
    uploads: dict[str, Upload] = field(default_factory=dict)
    created_buckets: int = 0
    ignores_conditions: bool = False
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1_700_000_000_000_000))

    def answer(self, request: Request) -> Answer:
        """Answer one request."""
        try:
            return self._routed(request)
        except Refused as refused:
            return refused.answer

    def _routed(self, request: Request) -> Answer:
        if match := _UPLOAD.fullmatch(request.path):
            return self._uploaded(match[1], request)
        if match := _OBJECT.fullmatch(request.path):
            return self._object(request, match[2], unquote(match[3]))
        if match := _LIST.fullmatch(request.path):
            return self._listed(self._bucket(match[1]), request.query)
        if match := _BUCKET.fullmatch(request.path):
            self._bucket(match[1])
            return Answer.of({"permissions": sorted(self.permissions)} if match[2] else {"name": match[1]})
        if request.path == "/storage/v1/b":
            self.created_buckets += 1
        raise Refused(404, f"Not Found: {request.method} {request.path}")

    def _bucket(self, name: str) -> dict[str, Stored]:
        if name not in self.buckets:
            raise Refused(404, "The specified bucket does not exist.")
        return self.buckets[name]

    def _checked(self, bucket: str, name: str, query: dict[str, str]) -> Stored | None:
        """Return the present generation of an object after checking the request's conditions on it."""
        stored = self._bucket(bucket).get(name)
        present = stored.generation if stored else 0
        wanted = query.get("ifGenerationMatch")
        if wanted is not None and int(wanted) != present and not self.ignores_conditions:
            raise Refused(412, "At least one of the pre-conditions you specified did not hold.")
        if "generation" in query and int(query["generation"]) != present:
            raise Refused(404, f"No such object: {bucket}/{name}#{query['generation']}")
        return stored

    def _put(self, bucket: str, query: dict[str, str], about: dict[str, Any], content: bytes) -> Answer:
        name = query.get("name") or about.get("name") or ""
        if not name or len(name.encode()) > 1024:
            raise Refused(400, "Required")
        self._checked(bucket, name, query)
        updated = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        stored = Stored(name, content, next(self._numbers), updated, about.get("metadata", {}))
        if about.get("crc32c") not in {None, stored.crc32c}:
            raise Refused(400, f'Provided CRC32C "{about["crc32c"]}" doesn\'t match calculated "{stored.crc32c}".')
        self.buckets[bucket][name] = stored
        return Answer.of(_resource(bucket, stored))

    def _uploaded(self, bucket: str, request: Request) -> Answer:
        self._bucket(bucket)
        if request.method == "PUT":
            return self._part(request)
        if request.query.get("uploadType") == "resumable":
            about = request.json or {}
            self._checked(bucket, request.query.get("name") or about["name"], request.query)
            identity = uuid.uuid4().hex
            self.uploads[identity] = Upload(bucket, request.query, about)
            address = f"http://{request.headers['host']}{request.path}?uploadType=resumable&upload_id={identity}"
            return Answer(headers={"Location": address})
        if request.query.get("uploadType") != "multipart":
            raise Refused(400, "Bad Request")
        message = message_from_bytes(b"Content-Type: " + request.headers["content-type"].encode() + b"\n\n")
        boundary = b"--" + message.get_boundary("").encode()
        _, about_part, content_part, end = request.body.split(boundary)
        if not end.startswith(b"--"):
            raise Refused(400, "Missing end boundary in multipart body.")
        about = json.loads(about_part.partition(b"\r\n\r\n")[2])
        return self._put(bucket, request.query, about, content_part.partition(b"\r\n\r\n")[2].removesuffix(b"\r\n"))

    def _part(self, request: Request) -> Answer:
        upload = self.uploads.get(request.query.get("upload_id", ""))
        if upload is None:
            raise Refused(404, "No such upload")
        match = re.fullmatch(r"bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)", request.headers.get("content-range", ""))
        if match is None:
            raise Refused(400, "Invalid Content-Range")
        if match[1] is not None:
            if int(match[1]) != len(upload.content) or int(match[2]) - int(match[1]) + 1 != len(request.body):
                raise Refused(503, "The range does not continue what was uploaded")
            if len(request.body) % UNIT and match[3] != str(int(match[2]) + 1):
                raise Refused(400, f"Wanted a multiple of {UNIT} bytes")
            upload.content += request.body
        if match[3] == str(len(upload.content)):
            return self._put(upload.bucket, upload.query, upload.about, upload.content)
        received = {"Range": f"bytes=0-{len(upload.content) - 1}"} if upload.content else {}
        return Answer(308, headers=received)

    def _object(self, request: Request, bucket: str, name: str) -> Answer:
        stored = self._checked(bucket, name, request.query)
        if stored is None:
            raise Refused(404, f"No such object: {bucket}/{name}")
        if request.method == "DELETE":
            del self.buckets[bucket][name]
            return Answer(204)
        if request.query.get("alt") != "media":
            return Answer.of(_resource(bucket, stored))
        headers = {"X-Goog-Hash": f"crc32c={stored.crc32c}", "X-Goog-Generation": str(stored.generation)}
        span = re.fullmatch(r"bytes=(\d+)-(\d*)", request.headers.get("range", ""))
        if span is None:
            return Answer(200, stored.content, headers)
        start, size = int(span[1]), len(stored.content)
        stop = min(size, int(span[2]) + 1) if span[2] else size
        if start >= size:
            raise Refused(416, "Requested range not satisfiable")
        headers["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
        return Answer(206, stored.content[start:stop], headers)

    def _listed(self, objects: dict[str, Stored], query: dict[str, str]) -> Answer:
        prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
        found: dict[str, Stored | None] = {}
        for name, stored in sorted(objects.items()):
            inside, separator, _ = name.removeprefix(prefix).partition(delimiter) if delimiter else (name, "", "")
            if name.startswith(prefix):
                found[f"{prefix}{inside}{separator}" if separator else name] = None if separator else stored
        start = int(query.get("pageToken", "0"))
        page = list(found.items())[start : start + PAGE]
        more = {"nextPageToken": str(start + PAGE)} if start + PAGE < len(found) else {}
        items = [_resource(BUCKET, stored) for _, stored in page if stored]
        return Answer.of({"items": items, "prefixes": [name for name, stored in page if stored is None], **more})


def _resource(bucket: str, stored: Stored) -> dict[str, Any]:
    return {
        "bucket": bucket,
        "name": stored.name,
        "size": str(len(stored.content)),
        "generation": str(stored.generation),
        "metageneration": "1",
        "updated": stored.updated,
        "crc32c": stored.crc32c,
        **({"metadata": stored.metadata} if stored.metadata else {}),
    }


@dataclass
class Served:
    """A storage that answers over HTTP."""

    storage: GoogleStorage
    loopback: Loopback
    url: str
    address: str
    """An address with nothing below it."""

    def damage(self, address: str) -> None:
        """Change a byte of an object and not its checksum's header."""
        name = address.removeprefix(f"gs://{BUCKET}/")
        stored = self.storage.buckets[BUCKET][name]
        self.storage.buckets[BUCKET][name] = replace(stored, content=b"X" + stored.content[1:])


@pytest.fixture(scope="session")
def google_storage_server() -> Iterator[tuple[GoogleStorage, Loopback, str]]:
    storage = GoogleStorage()
    loopback = Loopback(storage.answer)
    with loopback.served() as url:
        yield storage, loopback, url


@pytest.fixture
def google_storage(
    google_storage_server: tuple[GoogleStorage, Loopback, str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Served]:
    """The storage of Google, empty for this test; the environment says how to reach it."""
    storage, loopback, url = google_storage_server
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", url)
    yield Served(storage, loopback, url, f"gs://{BUCKET}/{uuid.uuid4().hex[:12]}")
    loopback.faults, loopback.every, loopback.requests = [], lambda _: None, []
