"""Health and metrics on a port of their own, for an engine that has no such paths."""

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Answer = tuple[int, str, bytes]
"""Status, media type and body."""


def answer_health(port: int, waiting_for: Callable[[], str], metrics: Callable[[], bytes]) -> ThreadingHTTPServer:
    """Answer /healthz, /readyz and /metrics in threads of this process; OSError when the port is taken."""

    def answer(path: str) -> Answer:
        if path == "/healthz":
            return _json(200, {"status": "alive"})
        if path == "/readyz":
            missing = waiting_for()
            return _json(503, {"error": missing}) if missing else _json(200, {"status": "ready"})
        if path == "/metrics":
            return 200, "text/plain; version=0.0.4; charset=utf-8", metrics()
        return _json(404, {"error": "wanted /healthz, /readyz or /metrics"})

    class Handler(BaseHTTPRequestHandler):
        timeout = 5

        def do_GET(self) -> None:
            status, kind, body = answer(self.path)
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Log nothing: probes come every second."""

    server = _Server(("", port), Handler)
    threading.Thread(target=server.serve_forever, name="health", daemon=True).start()
    return server


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Log nothing: clients may disconnect at any time."""


def _json(status: int, content: dict[str, str]) -> Answer:
    return status, "application/json", json.dumps(content).encode()
