"""The HTTP client of the serving gate."""

import http.client
import json
import time
from typing import Any, NamedTuple

from serving.candidate import NAME, CandidateServer
from serving.signature import DEFAULT_SIGNATURE

_PAUSE_SECONDS = 0.02


class ServerGone(Exception):
    """The server process ended or did not answer in time."""


class Reply(NamedTuple):
    """The predictions, or the error as text, and the latency."""

    content: Any
    milliseconds: float


class Client:
    """A client of one candidate server, which reuses its connection as a production client would."""

    def __init__(self, server: CandidateServer, request_seconds: float) -> None:
        self._server = server
        self._seconds = request_seconds
        self._connection = self._connect()

    def await_ready(self, seconds: float) -> float:
        """Wait until the model is loaded; return the seconds since the process started. ServerGone after `seconds`."""
        while (left := seconds - self._server.seconds()) > 0:
            self._limit(min(left, self._seconds))
            ending = self._server.ending()
            if ending is not None:
                raise ServerGone(f"the server process ended with {ending} before it answered")
            status, content = self._exchange("GET", f"/v1/models/{NAME}")
            states = content.get("model_version_status", [{}]) if isinstance(content, dict) else [{}]
            if status == 200 and states[0].get("state") == "AVAILABLE":
                self._limit(self._seconds)
                return self._server.seconds()
            if states[0].get("state") == "END":
                raise ServerGone(f"the server could not load the model: {states[0]['status']['error_message']}")
            time.sleep(_PAUSE_SECONDS)
        raise ServerGone(f"the model was not loaded within {seconds:g} s")

    def predict(self, instances: list[Any]) -> Reply:
        """Send rows in the model's format; ServerGone when the process ends or does not answer in time."""
        return self._ask("predict", "predictions", instances)

    def explain(self, instances: list[Any]) -> Reply:
        """Ask for explanations of rows; as `predict`."""
        return self._ask("explain", "explanations", instances)

    def _ask(self, verb: str, wanted: str, instances: list[Any]) -> Reply:
        started = time.perf_counter()
        status, content = self._exchange("POST", f"/v1/models/{NAME}:{verb}", json.dumps({"instances": instances}))
        taken = (time.perf_counter() - started) * 1000
        if status == 0:
            ending = self._server.ending()
            raise ServerGone(
                f"the server process ended with {ending} on a request"
                if ending
                else f"no answer to {len(instances)} rows: {content}"
            )
        if status != 200 or not isinstance(content, dict) or wanted not in content:
            return Reply(
                f"status {status}: {content.get('error', content) if isinstance(content, dict) else content}", taken
            )
        return Reply(content[wanted], taken)

    def inputs(self) -> dict[str, str]:
        """Return name -> TensorFlow type of the default signature's inputs; {} when the server does not return them."""
        _, content = self._exchange("GET", f"/v1/models/{NAME}/metadata")
        signatures = content.get("metadata", {}).get("signature_def", {}) if isinstance(content, dict) else {}
        listed = signatures.get("signature_def", {}).get(DEFAULT_SIGNATURE, {}).get("inputs", {})
        return {name: str(tensor.get("dtype")) for name, tensor in listed.items()}

    def _connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self._server.port, timeout=self._seconds)

    def _limit(self, seconds: float) -> None:
        """Wait for an answer so long at most, over the connection that is open as over the next."""
        self._connection.timeout = seconds
        if self._connection.sock is not None:
            self._connection.sock.settimeout(seconds)

    def _exchange(self, method: str, path: str, body: str | None = None) -> tuple[int, Any]:
        """Return status and parsed body; status 0 and the reason when there is no response."""
        try:
            self._connection.request(method, path, body, {"Content-Type": "application/json"} if body else {})
            response = self._connection.getresponse()
            content = response.read()
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            self._connection = self._connect()
            return 0, f"{type(error).__name__}: {error}"
        try:
            return response.status, json.loads(content)
        except ValueError:
            return response.status, content.decode("utf-8", "replace")[:500]
