"""A server of a tiny model in a process of its own, and an honest client that notes how it is answered."""

import http.client
import multiprocessing
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from core.backends.registry import open_registry
from tests.unit.serving.server_process import BODY, Served, serving

MODEL = "delay"
PREDICT = f"/v1/models/{MODEL}:predict"


def export(folder: Path) -> Path:
    """Export the model, in a process of its own because of TensorFlow."""
    exporter = multiprocessing.get_context("spawn").Process(target=_export, args=(folder,))
    exporter.start()
    exporter.join()
    if exporter.exitcode:
        raise RuntimeError(f"the export ended with {exporter.exitcode}")
    return folder


def _export(folder: Path) -> None:
    from tests.unit.serving.tiny_models import export_delay

    export_delay(folder, bias=-1.0)


def publish(folder: Path) -> None:
    """Put the model into production in a home."""
    registry = open_registry(str(folder / "models"))
    registry.promote(MODEL, registry.publish(MODEL, export(folder / "exported"), {}).version)


@contextmanager
def served(folder: Path, *arguments: str) -> Iterator[Served]:
    """Serve the model; ready when it is given."""
    publish(folder)
    with serving(folder, "--all", *arguments, anew=True) as running:
        running.until(lambda: running.ask("/readyz")[0] == 200, seconds=600)
        yield running


@dataclass
class Honest:
    """Asks for predictions on kept connections, so often a second, and notes how long each answer took."""

    port: int
    per_second: float = 50.0
    seconds: list[float] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    _stopped: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Ask while the block runs."""
        thread = threading.Thread(target=self._ask)
        thread.start()
        try:
            yield
        finally:
            self._stopped.set()
            thread.join()

    def p99(self) -> float:
        """Return the time, in seconds, in which 99 of 100 requests were answered."""
        return sorted(self.seconds)[len(self.seconds) * 99 // 100] if self.seconds else 0.0

    def _ask(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        while not self._stopped.wait(1 / self.per_second):
            began = time.monotonic()
            try:
                connection.request("POST", PREDICT, BODY, {"Content-Type": "application/json"})
                response = connection.getresponse()
                content = response.read()
            except (OSError, http.client.HTTPException) as error:
                self.failed.append(f"{type(error).__name__}: {error}")
                connection.close()
                continue
            self.seconds.append(time.monotonic() - began)
            if response.status != 200:
                self.failed.append(f"answered {response.status}: {content[:200]!r}")
        connection.close()


def honest_p99(port: int, seconds: float) -> float:
    """Return the p99 of an honest client over some seconds, while nothing else happens."""
    client = Honest(port)
    with client.asking():
        time.sleep(seconds)
    return client.p99()
