"""Lets only requests with a known bearer token through."""

import hashlib
import hmac
import logging
import re
from collections.abc import Hashable
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from core.errors import UsageError
from serving.bodies import responses

if TYPE_CHECKING:
    from serving.metrics import Metrics  # as in `access_log`

TOKEN_VARIABLE = "MLOPS_SERVE_TOKEN"  # noqa: S105 - a name
_SHORTEST = 16
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]++=*+", re.ASCII)
"""What an Authorization header may carry (RFC 6750)."""
_LOG = logging.getLogger("serving")


class Tokens:
    """The tokens that are taken: one that does not change, and those of a file."""

    def __init__(self, token: str, file: Path | None) -> None:
        """Read the tokens; UsageError when one is short or malformed, or the file has none."""
        self._fixed = (_digest(_checked(token, TOKEN_VARIABLE)),) if token else ()
        self._file = file
        self._stamp: Hashable = None
        self._from_file: tuple[bytes, ...] = ()
        if file is not None:
            self._stamp = _stamp(file)
            self._from_file = _read(file)

    def accept(self, header: str) -> bool:
        """Whether an Authorization header has a token that is taken; it takes as long for each wrong one."""
        scheme, _, given = header.partition(" ")
        digest = _digest(given.strip())
        found = False
        for known in (*self._fixed, *self._current()):
            found |= hmac.compare_digest(digest, known)
        return found and scheme.lower() == "bearer"

    def _current(self) -> tuple[bytes, ...]:
        """Return the file's tokens, read again when it has changed; none while it cannot be read."""
        if self._file is not None and (stamp := _stamp(self._file)) != self._stamp:
            self._stamp = stamp
            try:
                self._from_file = _read(self._file)
                _LOG.info("%s: has changed; %d tokens are taken", self._file, len(self._from_file))
            except UsageError as error:
                self._from_file = ()
                _LOG.error("no token of the file is taken until it is mended: %s", error)
        return self._from_file


class BearerGate:
    """Answers 401 to requests without a known token, except on open paths."""

    def __init__(self, app: ASGIApp, tokens: Tokens, open_paths: frozenset[str], metrics: "Metrics") -> None:
        self._app = app
        self._tokens = tokens
        self._open_paths = open_paths
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or refuse it before its body is read."""
        if scope["type"] != "http" or scope["path"] in self._open_paths:
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).getlist("authorization")
        if len(given) == 1 and self._tokens.accept(given[0]):
            await self._app(scope, receive, send)
            return
        self._metrics.requests.labels("", "", "", "401").inc()
        got = f"{len(given)} such headers" if len(given) > 1 else "another" if given else "none"
        message = f"wanted the header `Authorization: Bearer TOKEN` with a token of this server, got {got}"
        challenge = 'Bearer realm="models"' + (', error="invalid_token"' if given else "")
        refusal = Response(
            responses.error_body(message, "UNAUTHENTICATED"), 401, {"www-authenticate": challenge}, "application/json"
        )
        await refusal(scope, receive, send)


def _read(file: Path) -> tuple[bytes, ...]:
    try:
        lines = [line.strip() for line in file.read_text("utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"--token-file {file}: cannot be read: {error}") from None
    if not lines:
        raise UsageError(f"--token-file {file}: wanted a token a line, found none")
    return tuple(_digest(_checked(line, f"--token-file {file}")) for line in lines)


def _checked(token: str, source: str) -> str:
    """Return a token; UsageError, which does not show it, when nobody can send it or it can be guessed."""
    if len(token) < _SHORTEST or not _TOKEN.fullmatch(token):
        raise UsageError(
            f"{source}: wanted tokens of at least {_SHORTEST} characters, of letters, digits and ._~+/-, got one of "
            f"{len(token)} characters; `openssl rand -hex 32` makes one"
        )
    return token


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()


def _stamp(file: Path) -> Hashable:
    try:
        status = file.stat()
    except OSError:
        return None
    return (status.st_ino, status.st_mtime_ns, status.st_size)
