"""The connection to Google Cloud Storage: its `ObjectClient`, and its errors as messages for people.

Credentials are Google's application default credentials: an account's own on a machine of Google Cloud, or those of
`gcloud auth application-default login`. STORAGE_EMULATOR_HOST names another server, which is asked without credentials.
"""

import base64
import io
import os
import warnings
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from core.errors import ChangedWhileRead, CorruptArtifact, NoSuchObject, StoreError, UsageError
from core.object_stores.client import Entry, Stream

# About the end of Python 3.11, at every import of Google's clients, which all come later.
warnings.filterwarnings("ignore", category=FutureWarning, module=r"google\.")
SECONDS = 60.0
"""How long a request that fails is tried again."""
_ANSWER_SECONDS = 30.0
"""How long the service may take for the next bytes of an answer."""
_FIELDS = "items(name,size,generation,updated),prefixes,nextPageToken"
_SHA256, _CRC32C = "sha256", "crc32c"
"""Names in an object's own metadata; a program that writes the object again leaves them out, or leaves them wrong."""
_CONNECTIONS: dict[tuple[int, str], Any] = {}
"""By process and endpoint, because a forked process must not use its parent's sockets."""


def client() -> "GcsClient":
    """Return the client; it connects when it is first used."""
    return GcsClient()


def endpoint() -> str:
    """Return the server's URL, "" for Google's own; UsageError when the variable has no valid URL."""
    url = os.environ.get("STORAGE_EMULATOR_HOST", "")
    parts = urlsplit(url)
    if url and (parts.scheme not in {"http", "https"} or not parts.hostname or "@" in parts.netloc):
        raise UsageError("wanted STORAGE_EMULATOR_HOST as http(s)://host:port, without user or password")
    return url


def connect() -> Any:
    """Return the library's client; the same one for the same process and endpoint. Raises UsageError as `endpoint`."""
    key = (os.getpid(), endpoint())
    if key not in _CONNECTIONS:
        from google.cloud import storage  # noqa: PLC0415 - half a second, and most processes open no such address

        _CONNECTIONS[key] = storage.Client(project=None)  # only creating a bucket would need the project
    return _CONNECTIONS[key]


class GcsClient:
    """The `ObjectClient` of Google Cloud Storage; that class documents the methods."""

    condition = "ifGenerationMatch"
    promises_conditions = True

    @property
    def errors(self) -> tuple[type[Exception], ...]:
        """The exceptions of the library and below."""
        from google.api_core.exceptions import GoogleAPIError  # noqa: PLC0415 - slow, and few processes need it
        from google.auth.exceptions import GoogleAuthError  # noqa: PLC0415
        from google.resumable_media.common import DataCorruption, InvalidResponse  # noqa: PLC0415

        return (OSError, TimeoutError, GoogleAPIError, GoogleAuthError, DataCorruption, InvalidResponse)

    def store_error(self, error: Exception, address: str, wanted: str) -> StoreError:
        """Explain one of them."""
        start, cause = f"{address}: wanted {wanted}, but", getattr(error, "cause", None) or error
        if _name(cause) == "NotFound" and "bucket does not exist" not in str(cause):
            return NoSuchObject(f"{start} there is no such object in {_endpoint_name()}")
        if _name(cause) == "PreconditionFailed":
            return ChangedWhileRead(
                f"{start} it was written again while it was read; run again when nothing writes there"
            )
        return StoreError(f"{start} {_reason(cause, urlsplit(address).netloc)}")

    def entries(self, folder: str) -> list[Entry]:
        """List a folder."""
        found = _list(folder, delimiter="/")
        objects = [_entry(blob) for blob in found]
        bucket = urlsplit(folder).netloc
        return objects + [Entry(f"gs://{bucket}/{name.rstrip('/')}", 0, "", True, "") for name in found.prefixes]

    def walk(self, folder: str) -> list[Entry]:
        """List all objects below a folder."""
        return [_entry(blob) for blob in _list(folder)]

    def stat(self, address: str) -> Entry:
        """Describe an object."""
        blob = _blob(address)
        blob.reload(**_patience())
        return _entry(blob)

    def open(self, address: str, block: int) -> Stream:
        """Open an object, whose generation every request repeats."""
        blob = _blob(address)
        blob.reload(**_patience())
        return _Ranges(blob, block)

    def read(self, address: str) -> bytes:
        """Return an object's content after comparing its checksum."""
        content = _blob(address).download_as_bytes(checksum="crc32c", **_patience())
        assert isinstance(content, bytes)
        return content

    def write(self, address: str, content: bytes) -> None:
        """Write an object; a repeated request writes the same again."""
        _blob(address).upload_from_string(content, "application/octet-stream", checksum="crc32c", **_patience())

    def put_new(self, address: str, content: bytes) -> bool:
        """Write a new object, one without a generation; return whether there was one already."""
        from google.api_core.exceptions import PreconditionFailed  # noqa: PLC0415 - as above

        try:
            _blob(address).upload_from_string(
                content, "application/octet-stream", if_generation_match=0, checksum="crc32c", **_patience()
            )
        except PreconditionFailed:
            return True
        return False

    def upload(self, path: Path, address: str, part: int, content_digest: str) -> None:
        """Write a file's content to an object, a larger one by a resumable upload."""
        blob = _blob(address)
        blob.metadata = {_SHA256: content_digest, _CRC32C: _checksum(path, part)}
        blob.chunk_size = part
        blob.upload_from_filename(str(path), "application/octet-stream", checksum="crc32c", **_patience())

    def recorded_digest(self, address: str) -> str:
        """Return the recorded digest, which is of the content that has the recorded checksum."""
        blob = _blob(address)
        blob.reload(**_patience())
        recorded: dict[str, str] = blob.metadata or {}
        content_digest, wanted = recorded.get(_SHA256, ""), recorded.get(_CRC32C, "")
        if content_digest and blob.crc32c != wanted:
            raise CorruptArtifact(
                f"{address}: wanted {content_digest} with CRC32C {wanted or '(none)'}, which was recorded with it, got "
                f"an object with CRC32C {blob.crc32c}, last written {blob.updated}; something else wrote it: find out "
                f"what, then remove it (gcloud storage rm {address}) and push it again"
            )
        return content_digest

    def delete(self, address: str) -> None:
        """Remove an object."""
        from google.api_core.exceptions import NotFound  # noqa: PLC0415 - as above

        try:
            _blob(address).delete(**_patience())
        except NotFound as error:
            if "bucket does not exist" in str(error):
                raise


class _Ranges:
    """Reads one generation of an object, a range at a time."""

    def __init__(self, blob: Any, block: int) -> None:
        self._blob = blob
        self._block = block
        self._position = 0

    def read(self, size: int) -> bytes:
        stop = min(self._blob.size, self._position + min(size, self._block))
        if self._position >= stop:
            return b""
        generation = {"if_generation_match": self._blob.generation}
        content = self._blob.download_as_bytes(
            start=self._position, end=stop - 1, checksum=None, **generation, **_patience()
        )
        assert isinstance(content, bytes)
        self._position += len(content)
        return content

    def seek(self, offset: int, whence: int) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._blob.size}[whence]
        if start + offset < 0:
            raise ValueError(f"wanted a position from 0, got {start + offset}")
        self._position = start + offset
        return self._position

    def tell(self) -> int:
        return self._position

    def close(self) -> None:
        pass


def _patience() -> dict[str, Any]:
    from google.cloud.storage.retry import DEFAULT_RETRY  # noqa: PLC0415 - as above

    return {"retry": DEFAULT_RETRY.with_timeout(SECONDS), "timeout": (5.0, min(SECONDS, _ANSWER_SECONDS))}


def _checksum(path: Path, block: int) -> str:
    """Return a file's CRC32C as the service writes it: base64 of its bytes, the first one first."""
    import google_crc32c  # noqa: PLC0415 - as above

    checksum = google_crc32c.Checksum()
    with path.open("rb") as stream:
        while content := stream.read(block):
            checksum.update(content)
    return base64.b64encode(checksum.digest()).decode()


def _blob(address: str) -> Any:
    parts = urlsplit(address)
    return connect().bucket(parts.netloc).blob(parts.path.removeprefix("/"))


def _list(folder: str, delimiter: str | None = None) -> Any:
    parts = urlsplit(f"{folder}/")
    prefix = parts.path.removeprefix("/") or None
    return connect().list_blobs(parts.netloc, prefix=prefix, delimiter=delimiter, fields=_FIELDS, **_patience())


def _entry(blob: Any) -> Entry:
    modified = blob.updated.isoformat(timespec="seconds") if blob.updated else ""
    return Entry(f"gs://{blob.bucket.name}/{blob.name}", blob.size, f"{blob.generation} {blob.size}", False, modified)


def _name(error: BaseException) -> str:
    return type(error).__name__


def _reason(error: BaseException, bucket: str) -> str:
    from google.api_core.exceptions import GoogleAPICallError  # noqa: PLC0415 - as above
    from google.auth.exceptions import GoogleAuthError, TransportError  # noqa: PLC0415

    store, kind = _endpoint_name(), _name(error)
    known = {
        "NotFound": f"there is no bucket {bucket!r} in {store}; create it, or correct the address (MLOPS_STORE)",
        "DataCorruption": "the content does not have the checksum that the service sent with it; try again",
    }
    if kind in {"Forbidden", "Unauthorized"}:
        return f"{store} refused: {error}; grant that account roles/storage.objectUser on the bucket {bucket}"
    if isinstance(error, GoogleAuthError) and not isinstance(error, TransportError):
        return (
            f"there are no credentials for {store} ({error}); run `gcloud auth application-default login`, "
            "or name a file in GOOGLE_APPLICATION_CREDENTIALS"
        )
    if kind not in known and isinstance(error, GoogleAPICallError):
        return f"{store} answered {error.code}: {error.message}"
    return known.get(kind, f"{store} does not answer ({kind}); is it up, and is STORAGE_EMULATOR_HOST right?")


def _endpoint_name() -> str:
    return endpoint() or "Google Cloud Storage"
