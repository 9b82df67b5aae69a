"""The endpoint of inferences once more, for requests that can be answered in the call that brought their last byte.

A task, a scope, and the layers between them and the model take as long as a small model does. Here are none, so only
what needs none is answered: usual heads, and work that has shown to be quick. `Edge`, `BearerGate`, `CORSMiddleware`
and `InferenceEndpoint` answer everything else, and they answer these requests alike.
"""

import time
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Final, NamedTuple, Protocol

from serving.errors import RequestError
from serving.http.access_log import Access, AccessLog
from serving.http.bearer import Tokens
from serving.http.endpoint import Parts
from serving.http.inference import SMALL_BYTES, InferenceRequest
from serving.http.paths import OPEN_ROOT, ROOT, ParsedPath, parse_request_path
from serving.http.policy import Policy
from serving.http.replies import RawHeaders, Reply, refusal
from serving.memory_budget import Charge
from serving.request_ids import HEADER, request_id

_ROOTS = (f"{ROOT}/", f"{OPEN_ROOT}/")
_REQUEST_ID = HEADER.encode()
_UNUSUAL: Final = frozenset({b"transfer-encoding", b"content-encoding", b"expect", b"upgrade"})
"""Headers of requests that go the general way."""
_LONGEST_TARGET = 300


class Head(NamedTuple):
    """A request whose head is usual."""

    path: ParsedPath
    asked: str
    """The path as a text, for the access log."""
    headers: RawHeaders
    request_id: str
    at: float
    """Seconds since 1970."""
    size: int
    """Bytes of the body."""
    charge: Charge


class Link(Protocol):
    """A connection."""

    @property
    def client(self) -> tuple[str, int] | None:
        """Who asks."""

    def send(self, reply: Reply, headers: RawHeaders, when_read: Callable[[], None]) -> None:
        """Write a reply, and call `when_read` once the client does not wait for the rest of it any more."""


class DirectEndpoint:
    """Answers requests at once; used in the event loop."""

    def __init__(self, parts: Parts, policy: Policy, tokens: Tokens | None, log: AccessLog | None) -> None:
        self._parts = parts
        self._routes = policy.routes
        self._has_origins = bool(policy.origins)
        self._tokens = tokens
        self._log = log
        self._path_of = lru_cache(maxsize=256)(self._path)

    def head(self, target: bytes, headers: RawHeaders) -> Head | None:
        """Read the head of a POST; None when it has to go the general way."""
        if len(target) > _LONGEST_TARGET or (found := self._path_of(target)) is None:
            return None
        by_name = dict(reversed(headers))  # of a header that comes twice, the first counts
        if not _UNUSUAL.isdisjoint(by_name) or not self._is_let_through(by_name, headers):
            return None
        try:
            self._parts.bodies.checked_encoding(by_name)
        except RequestError:
            return None
        given = by_name.get(_REQUEST_ID, b"").decode("latin-1")
        size, charge = int(by_name[b"content-length"]), self._parts.budget.open()
        return Head(*found, headers, request_id(given), time.time(), size, charge)

    def holds(self, head: Head, size: int) -> bool:
        """Charge a request for so many bytes that have come of its body; False when it has to go the general way."""
        try:
            head.charge.hold(size)
        except RequestError:
            return False
        return head.size <= SMALL_BYTES

    def answer(self, head: Head, body: bytes, link: Link) -> bool:
        """Answer a request; False, and nothing has happened, when it has to go the general way."""
        parts, path, charge = self._parts, head.path, head.charge
        kind = parts.inference.kind(path, len(body))
        if kind is None or not parts.pool.is_quick(kind) or not parts.manager.has(path.model) or parts.closes():
            return False
        spent: list[object] = []
        request = InferenceRequest(path, body, head.request_id, head.headers, charge, spent)
        started = time.perf_counter()
        try:
            charge.parse(len(body))
            try:
                answer = parts.pool.run_here(partial(parts.inference.answer, request), kind)
            finally:
                parts.metrics.time_request(path.model, path.verb, time.perf_counter() - started)
            reply = Reply(200, answer.body, str(answer.version))
        except Exception as error:
            reply = refusal(error, "POST")
        parts.metrics.count_request(path.model, reply.version, path.verb, reply.status)
        link.send(reply, [*reply.headers(closes=False), (_REQUEST_ID, head.request_id.encode())], charge.close)
        spent.clear()  # while the client reads: this takes a twentieth of the time of 256 rows
        charge.shrink(len(reply.body))
        if self._log is not None:
            self._log.write(self._access(head, reply, link.client, time.perf_counter() - started))
        return True

    def _path(self, target: bytes) -> tuple[ParsedPath, str] | None:
        """Read the target of a request as the general way does; None for one that only the general way can read."""
        if not target.startswith(b"/") or not target.isascii():
            return None
        asked = target.decode("ascii").removesuffix("/")
        asked = self._routes.get(asked, asked)
        try:
            return (parse_request_path(asked, "POST"), asked) if asked.startswith(_ROOTS) else None
        except RequestError:
            return None

    def _is_let_through(self, by_name: dict[bytes, bytes], headers: RawHeaders) -> bool:
        """Whether no layer around the paths has to do with a request."""
        if self._has_origins and b"origin" in by_name:
            return False
        if self._tokens is None:
            return True
        given = [value for name, value in headers if name == b"authorization"]
        return len(given) == 1 and self._tokens.accept(given[0].decode("latin-1"))

    def _access(self, head: Head, reply: Reply, client: tuple[str, int] | None, seconds: float) -> Access:
        size = len(reply.body)
        address = client[0] if client else ""
        return Access(head.at, address, "POST", head.asked, reply.status, size, seconds, reply.version, head.request_id)
