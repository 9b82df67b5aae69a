"""A service over HTTP in this process, for tests of what calls one; each request can meet a fault."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit


@dataclass(frozen=True)
class Request:
    """One request."""

    method: str
    path: str
    """As it was sent, with its escapes."""
    query: dict[str, str]
    headers: dict[str, str]
    """By name in lower case."""
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body) if self.body else None


@dataclass(frozen=True)
class Answer:
    """One answer."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, value: Any, status: int = 200, **headers: str) -> "Answer":
        """Return a value as JSON."""
        return cls(status, json.dumps(value).encode(), {"Content-Type": "application/json", **headers})


@dataclass(frozen=True)
class Fault:
    """What happens to a request instead of, or beside, its answer."""

    status: int = 0
    """Answered with this error."""
    seconds: float = 0.0
    """How long the answer takes."""
    cut: bool = False
    """The connection ends in the middle of the answer."""
    answered: bool = False
    """Whether the service does what it was asked first."""


class Loopback:
    """Answers requests one at a time by a function; `faults` are met in order, None for a request without."""

    def __init__(self, answer: Callable[[Request], Answer]) -> None:
        self._answer = answer
        self._lock = threading.Lock()
        self.faults: list[Fault | None] = []
        self.every: Callable[[Request], Fault | None] = lambda _: None
        """The fault of a request, where `faults` has none."""
        self.requests: list[Request] = []

    def take(self, request: Request) -> tuple[Answer, Fault]:
        """Return the answer to a request, and the fault that it meets."""
        with self._lock:
            self.requests.append(request)
            fault = (self.faults.pop(0) if self.faults else self.every(request)) or Fault()
            refused = fault.status and not fault.answered
            done = Answer() if refused or (fault.cut and not fault.answered) else self._answer(request)
        if fault.status:
            message = {"error": {"code": fault.status, "message": "injected", "status": "INJECTED"}}
            return Answer.of(message, fault.status), fault
        return done, fault

    @contextmanager
    def served(self) -> Iterator[str]:
        """Serve on a free port; yields the address."""
        server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            server.server_close()


def _handler(loopback: Loopback) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # it would hold back each body for 40 ms

        def _any(self) -> None:
            address = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            query = dict(parse_qsl(address.query, keep_blank_values=True))
            answer, fault = loopback.take(Request(self.command, address.path, query, headers, body))
            time.sleep(fault.seconds)
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body) + (100 if fault.cut else 0)))
            self.end_headers()
            self.wfile.write(answer.body[: len(answer.body) // 2] if fault.cut else answer.body)
            self.close_connection = self.close_connection or fault.cut

        do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = _any  # noqa: N815 - http.server's names

        def log_message(self, *_: Any) -> None:
            pass

    return Handler
