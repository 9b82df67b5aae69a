"""The connection to an S3 store: the settings of s3fs, and its errors as messages for people.

The store's address and keys come from botocore's own environment variables: AWS_ENDPOINT_URL, AWS_REGION,
AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY. A key is never part of a message.
"""

import os
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from core.errors import ChangedWhileRead, NoSuchObject, StoreError, UsageError
from core.object_stores.client import Entry, Stream

SECONDS = 60.0
"""How long one request may take, all retries included."""
BYTES_PER_SECOND = 1 << 20
"""The slowest upload that is waited for: its size divided by this is added to `SECONDS`."""
_ATTEMPTS = 3
_REFUSED = frozenset(
    {
        "401",
        "403",
        "AccessDenied",
        "AllAccessDisabled",
        "ExpiredToken",
        "InvalidAccessKeyId",
        "InvalidToken",
        "SignatureDoesNotMatch",
    }
)
_NO_KEYS = frozenset({"CredentialRetrievalError", "NoCredentialsError", "PartialCredentialsError"})
_UNREACHABLE = frozenset(
    {
        "ClientPayloadError",
        "ConnectTimeoutError",
        "ConnectionClosedError",
        "EndpointConnectionError",
        "FSTimeoutError",
        "ReadTimeoutError",
        "ResponseStreamingError",
    }
)
_ALREADY_EXISTS = frozenset({"409", "412", "ConditionalRequestConflict", "PreconditionFailed"})


class S3Client:
    """The `ObjectClient` of S3 and of stores that speak its protocol; that class documents the methods."""

    condition = "If-None-Match"
    promises_conditions = False  # older stores ignore it

    @property
    def _files(self) -> Any:
        return connect()

    @property
    def errors(self) -> tuple[type[Exception], ...]:
        """The exceptions of s3fs and below."""
        return exceptions()

    def store_error(self, error: Exception, address: str, wanted: str) -> StoreError:
        """Explain one of them."""
        return store_error(error, address, wanted)

    def entries(self, folder: str) -> list[Entry]:
        """List a folder."""
        return [_entry(info) for info in self._files.ls(folder, detail=True, timeout=SECONDS)]

    def walk(self, folder: str) -> list[Entry]:
        """List all objects below a folder."""
        return [_entry(info) for info in self._files.find(folder, detail=True, timeout=SECONDS).values()]

    def stat(self, address: str) -> Entry:
        """Describe an object."""
        return _entry(self._files.info(address, timeout=SECONDS))

    def open(self, address: str, block: int) -> Stream:
        """Open an object, whose ETag every request repeats."""
        stream: Stream = self._files.open(address, "rb", block_size=block, cache_type="none")
        return stream

    def read(self, address: str) -> bytes:
        """Return an object's content."""
        content = self._files.cat_file(address, max_concurrency=1, timeout=SECONDS)
        assert isinstance(content, bytes)
        return content

    def write(self, address: str, content: bytes) -> None:
        """Write an object."""
        self._files.pipe_file(address, content, timeout=SECONDS)

    def put_new(self, address: str, content: bytes) -> bool:
        """Write a new object; return whether there was one already."""
        try:
            self._files.pipe_file(address, content, mode="create", timeout=SECONDS)
        except self.errors as error:
            if already_exists(error):
                return True
            raise
        return False

    def upload(self, path: Path, address: str, part: int, content_digest: str) -> None:  # noqa: ARG002
        """Write a file's content to an object; no digest, because ETags of uploads in parts are no checksums."""
        seconds = SECONDS + path.stat().st_size / BYTES_PER_SECOND
        self._files.put_file(str(path), address, chunksize=part, timeout=seconds)

    def recorded_digest(self, address: str) -> str:  # noqa: ARG002
        """Return "": none is recorded."""
        return ""

    def delete(self, address: str) -> None:
        """Remove an object."""
        self._files.rm_file(address, timeout=SECONDS)


def client() -> S3Client:
    """Return the client; it connects when it is first used."""
    return S3Client()


def _entry(info: Any) -> Entry:
    modified = info.get("LastModified", "")
    iso = modified.isoformat(timespec="seconds") if modified else ""
    return Entry(
        address=f"s3://{info['name']}",
        size=info["size"] or 0,
        stamp=f"{info.get('ETag', '')} {info['size']} {modified}",
        is_folder=info["type"] == "directory",
        modified=iso,
    )


_CONNECTIONS: dict[tuple[int, str, str], Any] = {}
"""By process, endpoint and region. A forked process leaves what it inherits open: closing it would close its parent's
sockets."""


def connect() -> Any:
    """Return the file system of s3fs; the same one for the same process and settings.

    Raises UsageError as `endpoint` does.
    """
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1"
    key = (os.getpid(), endpoint(), region)
    if key not in _CONNECTIONS:
        _CONNECTIONS[key] = _connected(endpoint(), region)
    return _CONNECTIONS[key]


def _connected(url: str, region: str) -> Any:
    import s3fs  # type: ignore[import-untyped] # noqa: PLC0415 - slow, and most processes open no address

    config = {
        # SeaweedFS and MinIO take the bucket from the path, not from the host's name; not all accept checksum trailers.
        "s3": {"addressing_style": "path"} if url else {},
        "request_checksum_calculation": "when_required",
        "response_checksum_validation": "when_required",
        "connect_timeout": 5,
        "read_timeout": 30,
        "retries": {"mode": "standard", "total_max_attempts": _ATTEMPTS},
    }
    files = s3fs.S3FileSystem(
        endpoint_url=url or None,
        client_kwargs={"region_name": region},
        config_kwargs=config,
        use_listings_cache=False,  # a cached listing misses what other processes wrote since
        skip_instance_cache=True,
    )
    files.retries = 2  # for a response body that stopped halfway; botocore retries everything else
    return files


def exceptions() -> tuple[type[Exception], ...]:
    """Return the exceptions of s3fs for failures of the store, the network or the settings."""
    from aiohttp import ClientError as HttpClientError  # noqa: PLC0415 - as above
    from botocore.exceptions import BotoCoreError, ClientError  # type: ignore[import-untyped] # noqa: PLC0415 - as above

    return (OSError, TimeoutError, BotoCoreError, ClientError, HttpClientError)


def already_exists(error: Exception) -> bool:
    """Whether a write was refused because the object exists or is being written at this moment."""
    # s3fs raises FileExistsError only where the response repeats the condition, as AWS's does and SeaweedFS's does not.
    return isinstance(error, FileExistsError) or _code(error) in _ALREADY_EXISTS


def store_error(error: Exception, address: str, wanted: str) -> StoreError:
    """Turn an exception of s3fs into a StoreError that says what was tried and what to do next.

    It is a NoSuchObject when the store has no object at the address, ChangedWhileRead when that was written again.
    """
    start, store = f"{address}: wanted {wanted}, but", _endpoint_name()
    if isinstance(error, FileNotFoundError) and _code(error) != "NoSuchBucket":
        return NoSuchObject(f"{start} there is no such object in {store}")
    if type(error).__name__ == "FileExpired":
        return ChangedWhileRead(f"{start} it was written again while it was read; run again when nothing writes there")
    return StoreError(f"{start} {_reason(error, urlsplit(address).netloc, store)}")


def _reason(error: Exception, bucket: str, store: str) -> str:
    code, kind = _code(error), type(error).__name__
    if code == "NoSuchBucket":
        return f"there is no bucket {bucket!r} in {store}; create it, or correct the address (MLOPS_STORE)"
    if isinstance(error, PermissionError) or code in _REFUSED:
        return (
            f"{store} refused ({code or kind}); check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, "
            "and their permissions for this bucket"
        )
    if kind in _NO_KEYS:
        return f"there are no credentials for {store}; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
    if kind in _UNREACHABLE:
        return (
            f"{store} does not answer ({kind}); is it up, and is AWS_ENDPOINT_URL right? "
            "A store inside a cluster is reached through `kubectl port-forward`, with AWS_ENDPOINT_URL=http://localhost:<port>"
        )
    return f"{store} answered {code or kind}: {error}"


def _code(error: BaseException) -> str:
    """Return the S3 error code, which s3fs keeps in the cause; "" when there is none."""
    response = getattr(error, "response", None) or getattr(error.__cause__, "response", None)
    return str(response.get("Error", {}).get("Code", "")) if isinstance(response, dict) else ""


def endpoint() -> str:
    """Return the store's URL, "" for AWS itself; UsageError when the variable has no valid URL."""
    url = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or ""
    parts = urlsplit(url)
    if url and (parts.scheme not in {"http", "https"} or not parts.hostname or "@" in parts.netloc):
        raise UsageError(
            "wanted AWS_ENDPOINT_URL as http(s)://host:port, without user or password; "
            "keys go into AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        )
    return url


def _endpoint_name() -> str:
    return endpoint() or "AWS S3 (AWS_ENDPOINT_URL is not set)"
