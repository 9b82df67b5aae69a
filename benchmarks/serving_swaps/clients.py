"""Clients of the model server that note when they asked, when the answer came, and which version gave it."""

import http.client
import json
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

from benchmarks.serving_swaps.models import ROW
from serving.http.edge import VERSION_HEADER

NAME = "flight_delay"
_PREDICT = f"/v1/models/{NAME}:predict"
_BODY = json.dumps({"instances": [ROW]}).encode()
_CLIENTS = 4
_REQUESTS_PER_CONNECTION = 50


class Answer(NamedTuple):
    """One request, with times as `time.monotonic` counts them."""

    asked: float
    received: float
    version: int


@dataclass
class Clients:
    """Threads that ask for predictions until they are stopped."""

    port: int
    values: dict[int, float]
    """Version -> the value that it predicts for the row."""
    problems: list[str] = field(default_factory=list)
    answers: list[list[Answer]] = field(default_factory=lambda: [[] for _ in range(_CLIENTS)])
    _stopped: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Let all clients ask while the block runs."""
        self._stopped.clear()
        threads = [threading.Thread(target=self._ask, args=(answers,)) for answers in self.answers]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._stopped.set()
            for thread in threads:
                thread.join()

    def count(self) -> int:
        """Return the number of answers so far."""
        return sum(map(len, self.answers))

    def all_see(self, version: int) -> bool:
        """Whether the last answer of every client is of a version."""
        return all(answers and answers[-1].version == version for answers in self.answers)

    def since(self, moment: float) -> list[Answer]:
        """Return the answers to requests since a moment, by the time that they were received."""
        return sorted(
            (a for answers in self.answers for a in list(answers) if a.asked >= moment), key=lambda a: a.received
        )

    def _ask(self, answers: list[Answer]) -> None:
        while not self._stopped.is_set():
            try:
                self._use_connection(answers)
            except (OSError, http.client.HTTPException) as error:
                self.problems.append(f"a request was lost: {type(error).__name__}: {error}")

    def _use_connection(self, answers: list[Answer]) -> None:
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)) as connection:
            for _ in range(_REQUESTS_PER_CONNECTION):
                if self._stopped.is_set() or not self._ask_once(connection, answers):
                    return

    def _ask_once(self, connection: http.client.HTTPConnection, answers: list[Answer]) -> bool:
        """Ask once, and return whether the connection can be used again."""
        asked = time.monotonic()
        connection.request("POST", _PREDICT, _BODY, {"Content-Type": "application/json"})
        response = connection.getresponse()
        content = response.read()
        received = time.monotonic()
        if response.status != 200:
            self.problems.append(f"answered {response.status}: {content[:300]!r}")
            return False
        version = int(response.headers[VERSION_HEADER])
        value = json.loads(content)["predictions"][0][0]
        if abs(value - self.values.get(version, -1.0)) > 1e-6:
            self.problems.append(f"version {version} answered {value}, wanted {self.values.get(version)}")
        answers.append(Answer(asked, received, version))
        return response.headers.get("connection") != "close"
