"""Replies to requests about a model: counted, and every error in TensorFlow Serving's form."""

import logging
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from starlette.types import Scope

from serving.bodies import responses
from serving.errors import RequestError
from serving.http.edge import VERSION_HEADER
from serving.http.paths import ParsedPath, parse_request_path
from serving.metrics import Metrics
from serving.versions.manager import ModelManager

RawHeaders = list[tuple[bytes, bytes]]
How = Callable[[ParsedPath], Awaitable[tuple[str, bytes]]]
"""Returns the version that answers, "" for none, and the body."""
_LOG = logging.getLogger("serving")
_VERSION = VERSION_HEADER.encode()


class Reply(NamedTuple):
    """A reply of JSON."""

    status: int
    body: bytes
    version: str = ""

    def headers(self, *, closes: bool) -> RawHeaders:
        """Return the headers; `closes` says that the connection ends with this reply."""
        found = [(b"content-length", b"%d" % len(self.body)), (b"content-type", b"application/json")]
        if self.version:
            found.append((_VERSION, self.version.encode()))
        if closes:
            found.append((b"connection", b"close"))
        if self.status == 503:
            found.append((b"retry-after", b"1"))
        return found


class Replies:
    """Makes the replies of one process."""

    def __init__(self, manager: ModelManager, metrics: Metrics) -> None:
        self._manager = manager
        self._metrics = metrics

    async def reply(self, scope: Scope, verb: str, how: How) -> Reply:
        """Reply to one request; `verb` is counted where the path has none."""
        model = ""
        try:
            path = parse_request_path(scope["path"], scope["method"])
            verb = path.verb or verb
            model = path.model if self._manager.has(path.model) else ""
            version, body = await how(path)
            reply = Reply(200, body, version)
        except Exception as error:
            reply = refusal(error, scope["method"])
        self._metrics.count_request(model, reply.version, verb, reply.status)
        return reply


def refusal(error: Exception, method: str) -> Reply:
    """Return the reply of a request that failed with an error; call it where the error is handled."""
    if not isinstance(error, RequestError):
        # A bug of ours: details go to the log, not to the client.
        _LOG.exception("%s failed", method)
        return Reply(500, responses.error_body("internal error; the server's log has it", "INTERNAL"))
    if error.status in {500, 504}:
        _LOG.error("%s: %s", error.code, error)
    return Reply(error.status, responses.error_body(str(error), error.code))
