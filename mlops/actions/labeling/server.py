"""Answers the page to label in: on this machine only, with a token, and for no other origin."""

import base64
import hashlib
import json
import re
import secrets
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from artifacts.labels import writer
from artifacts.labels.errors import LabelError, MalformedLabel
from artifacts.labels.files import folder_of, labels
from artifacts.labels.names import SUFFIX
from artifacts.labels.reader import Label, accepted, check
from artifacts.outcomes.reader import time_us
from core import durable
from core.errors import UsageError
from core.store import Store
from mlops.actions.labeling.exchange import LOCK
from mlops.actions.labeling.queue import Queue, open_for

PAGE = Path(__file__).with_name("page.html")
TOKEN_HEADER = "X-Label-Token"  # noqa: S105 - the name of a header
_HOSTS = ("127.0.0.1", "localhost", "[::1]")
_MOST_BYTES = 1 << 16
_ANNOTATOR = re.compile(r"[A-Za-z0-9][A-Za-z0-9@._-]{0,80}")


@dataclass(frozen=True)
class Session:
    """One annotator who labels one queue."""

    store: Store
    queue: Queue
    annotator: str
    token: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        if not _ANNOTATOR.fullmatch(self.annotator):
            raise UsageError(
                f"--annotator: wanted letters, digits and any of @._-, such as a name or an address, "
                f"got {self.annotator!r:.80}"
            )

    @property
    def _folder(self) -> Path:
        return folder_of(self.store.root, self.queue.usecase)

    def tasks(self) -> dict[str, Any]:
        """Return what the page shows: the rows to label, and how many the annotator has labeled."""
        given = accepted(labels(self._folder)).labels
        keys = {row.key for row in self.queue.rows}
        done = sum(one.annotator == self.annotator and one.key in keys for one in given)
        return {
            "usecase": self.queue.usecase,
            "label": self.queue.label,
            "classes": list(self.queue.classes),
            "annotator": self.annotator,
            "done": done,
            "rows": [row.model_dump(mode="json") for row in open_for(self.queue, given, self.annotator)],
        }

    def save(self, answer: Any) -> Label:
        """Append an answer to the annotator's label file; LabelError for one that cannot be used.

        An answer that is sent again, because its reply was lost, is kept once.
        """
        if not isinstance(answer, dict):
            raise MalformedLabel("answer: wanted an object with key, label and time; reload the page")
        key, label = answer.get("key"), answer.get("label")
        try:
            time = time_us(answer.get("time"))
        except (ValueError, OverflowError) as error:
            raise MalformedLabel(f"answer: time: {error}; set this machine's clock") from None
        if not isinstance(key, str) or isinstance(label, bool) or not isinstance(label, str | int | float):
            raise MalformedLabel(f"answer: wanted a key and a label, got {key!r:.80} and {label!r:.80}")
        found = Label(key, label, self.annotator, time, "serve", "answer")
        now = time_us(datetime.now(UTC).isoformat())
        check(found, {row.key for row in self.queue.rows}, self.queue.classes, now + 1_000_000)
        self._folder.mkdir(parents=True, exist_ok=True)
        with self.lock, durable.locked(self._folder / LOCK):
            known = set(labels(self._folder))
            if not any(one[:4] == found[:4] for one in known):
                accepted([*known, found])
                writer.append(self._folder / f"serve-{self.annotator}{SUFFIX}", [found])
        return found


def app(session: Session, port: int) -> Starlette:
    """Return the application that serves the page and its two calls on a port of this machine."""
    hosts = {f"{host}:{port}" for host in _HOSTS}
    content = PAGE.read_text(encoding="utf-8")
    policy = _policy(content)

    def page(request: Request) -> Response:
        if refused := _refusal(request, hosts):
            return refused
        return HTMLResponse(content, headers=policy)

    def queue(request: Request) -> Response:
        return _refusal(request, hosts, session.token) or JSONResponse(session.tasks(), headers=policy)

    async def answer(request: Request) -> Response:
        if refused := _refusal(request, hosts, session.token):
            return refused
        body = b""
        async for piece in request.stream():
            body += piece
            if len(body) > _MOST_BYTES:
                return _error(413, f"wanted at most {_MOST_BYTES} bytes")
        try:
            session.save(_parsed(body))
        except LabelError as error:
            return _error(422, str(error))
        return JSONResponse({"saved": True}, headers=policy)

    return Starlette(
        routes=[
            Route("/", page, methods=["GET"]),
            Route("/queue", queue, methods=["GET"]),
            Route("/answer", answer, methods=["POST"]),
        ]
    )


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise MalformedLabel("answer: wanted JSON") from None


def _refusal(request: Request, hosts: set[str], token: str = "") -> Response | None:
    """Return why a request is refused: another name for this machine, another origin, or no token."""
    host, origin = request.headers.get("host", ""), request.headers.get("origin")
    if host not in hosts:
        return _error(403, f"wanted a Host of this machine, got {host!r:.80}")
    if origin is not None and origin.removeprefix("http://") not in hosts:
        return _error(403, f"wanted a request of this page, got one of {origin!r:.80}")
    if request.headers.get("sec-fetch-site", "none") not in {"none", "same-origin"} and token:
        return _error(403, "wanted a request of this page, got one of another site")
    if token and not secrets.compare_digest(request.headers.get(TOKEN_HEADER, "").encode(), token.encode()):
        return _error(403, "wanted the token of this session; open the address that `mlops label serve` printed")
    return None


def _error(status: int, message: str) -> Response:
    return JSONResponse({"error": message}, status_code=status)


def _policy(content: str) -> dict[str, str]:
    """Return headers that let the page run its own script and style only, and talk to this server only."""
    script, style = (_hash(content, tag) for tag in ("script", "style"))
    rules = f"default-src 'none'; script-src {script}; style-src {style}; connect-src 'self'; base-uri 'none'"
    return {
        "Content-Security-Policy": f"{rules}; form-action 'none'; frame-ancestors 'none'",
        "Cache-Control": "no-store",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "Cross-Origin-Resource-Policy": "same-origin",
    }


def _hash(content: str, tag: str) -> str:
    found = re.search(rf"<{tag}>(.*?)</{tag}>", content, re.DOTALL)
    assert found is not None
    return f"'sha256-{base64.b64encode(hashlib.sha256(found[1].encode()).digest()).decode()}'"
