"""Reads a request's body within its caps and its deadline."""

import asyncio
import zlib
from collections.abc import Mapping
from functools import lru_cache

from starlette.types import Receive, Scope

from serving.errors import RequestError, bad_request, too_large
from serving.limits import Limits
from serving.memory_budget import Charge
from serving.metrics import Metrics

_JSON_TYPES = frozenset(
    {
        "application/json",
        "text/json",
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/octet-stream",
        "",
    }
)
"""Content types that clients give JSON: `curl -d` sends a form's, aiohttp bytes, many libraries text/plain or none."""
_Headers = Mapping[bytes, bytes]
_DEFLATE_RATIO = 1032
"""Most bytes that one byte of gzip inflates to."""
_MOST_DIGITS = 18
"""Of a body's length, so that its number is no work."""


class BodyReader:
    """Reads bodies; used from the event loop."""

    def __init__(self, limits: Limits, metrics: Metrics) -> None:
        self._limits = limits
        self._metrics = metrics

    async def read(self, scope: Scope, receive: Receive, charge: Charge) -> bytes:
        """Read a body; RequestError (400, 408, 411, 413, 415, 503), if possible before reading it."""
        # Reversed: of a header that comes twice, the first counts.
        encoding = self.checked_encoding(dict(reversed(scope["headers"])))
        body = await self._collect(receive, charge)
        if encoding == "gzip":
            charge.hold(len(body) + min(self._limits.body_bytes, len(body) * _DEFLATE_RATIO))
            # In a thread: inflating to the cap takes as long as many small requests.
            body = await asyncio.to_thread(_inflate, body, self._limits.body_bytes)
        charge.parse(len(body))
        return body

    async def _collect(self, receive: Receive, charge: Charge) -> bytes:
        chunks: list[bytes] = []
        held, is_whole = 0, False
        try:
            async with asyncio.timeout(self._limits.body_seconds):
                while not is_whole:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise RequestError(400, "CANCELLED", "the client went away")
                    chunk = message.get("body", b"")
                    held += len(chunk)
                    charge.hold(held)
                    if held > self._limits.body_bytes:
                        raise too_large(f"the body is larger than {self._limits.body_bytes} bytes")
                    chunks.append(chunk)
                    is_whole = not message.get("more_body", False)
        except TimeoutError:
            self._metrics.refused_connections.labels("slow body").inc()
            raise RequestError(
                408, "DEADLINE_EXCEEDED", f"the body did not arrive within {self._limits.body_seconds:g} s"
            ) from None
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    def checked_encoding(self, headers: _Headers) -> str:
        """Return the content encoding; RequestError (400, 411, 413, 415, 501) when the body would not be taken."""
        self._check_length(headers)
        return _checked_encoding(headers.get(b"content-type", b""), headers.get(b"content-encoding", b"identity"))

    def _check_length(self, headers: _Headers) -> None:
        """Check how the body's end is found; the parser refuses a length beside chunks, and two lengths."""
        if b"transfer-encoding" in headers:
            transfer = headers[b"transfer-encoding"].decode("latin-1")
            if transfer.strip().lower() != "chunked":
                raise RequestError(
                    501, "UNIMPLEMENTED", f"Transfer-Encoding: wanted chunked or none, got {transfer[:60]!a}"
                )
            return
        length = headers.get(b"content-length")
        if length is None:
            raise RequestError(411, "LENGTH_REQUIRED", "wanted a Content-Length or a chunked body, got neither")
        if not length.isdigit() or len(length) > _MOST_DIGITS:
            raise bad_request("Content-Length: wanted a number of bytes")
        if int(length) > self._limits.body_bytes:
            raise too_large(
                f"the body has {length.decode()} bytes, the most is {self._limits.body_bytes}; "
                "send fewer rows in one request"
            )


@lru_cache(maxsize=16)
def _checked_encoding(content_type: bytes, content_encoding: bytes) -> str:
    """Read two headers, which clients send alike with every request; errors are not kept."""
    kind = content_type.decode("latin-1").partition(";")[0].strip().lower()
    if kind not in _JSON_TYPES and not (kind.startswith("application/") and kind.endswith("+json")):
        raise RequestError(415, "UNSUPPORTED_MEDIA_TYPE", f"Content-Type: wanted application/json, got {kind[:60]!a}")
    encoding = content_encoding.decode("latin-1").strip().lower()
    if encoding not in {"identity", "gzip"}:
        raise RequestError(
            415, "UNSUPPORTED_MEDIA_TYPE", f"Content-Encoding: wanted gzip or none, got {encoding[:60]!a}"
        )
    return encoding


def _inflate(body: bytes, most: int) -> bytes:
    """Inflate a gzip body, up to the cap."""
    inflater = zlib.decompressobj(wbits=31)
    try:
        inflated = inflater.decompress(body, most + 1)
    except zlib.error as error:
        raise bad_request(f"Content-Encoding: wanted gzip, got {error}") from None
    if len(inflated) > most:
        raise too_large(f"the inflated body is larger than {most} bytes")
    if not inflater.eof or inflater.unused_data:
        raise bad_request("Content-Encoding: wanted one whole gzip stream, got a truncated one or something after it")
    return inflated
