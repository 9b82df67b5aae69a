"""TensorFlow Serving as the engine, with a stand-in for its binary: its flags, its configuration, and its end."""

import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pytest
from server_process import BODY, PREDICT, Served, serving
from text_proto import read_models

from core.backends.local_registry import LocalRegistry
from core.errors import UsageError
from serving.tfserving import binary as tensorflow_serving
from tests.free_port import free_port

STAND_IN = Path(__file__).with_name("stand_in_model_server.py")


class Config(NamedTuple):
    versions: list[int]
    labels: dict[str, int]


@dataclass
class Engine:
    served: Served
    registry: LocalRegistry
    record: Path

    def answers_with(self) -> float | None:
        status, body = self.served.ask(PREDICT, BODY)
        return json.loads(body)["predictions"][0][0] if status == 200 else None

    def ready(self) -> tuple[int, str]:
        return self.served.ask("/readyz", port=self.served.port + 1)

    def configs(self) -> list[Config]:
        """What every text of the configuration that the binary has seen says of the model."""
        texts = [
            path.read_text() for path in sorted((self.record / "configs").iterdir(), key=lambda path: int(path.name))
        ]
        models = [read_models(text)["flight_delay"] for text in texts]
        return [Config(model["versions"], model["labels"]) for model in models]

    def publish(self, content: str) -> None:
        exported = self.registry.root.with_name(f"exported-{content}")
        exported.mkdir(exist_ok=True)
        (exported / "saved_model.pb").write_text(content)
        self.registry.promote("flight_delay", self.registry.publish("flight_delay", exported, {}).version)


def put_on_path(folder: Path, script: str) -> str:
    folder.mkdir()
    binary = folder / tensorflow_serving.BINARY
    binary.write_text(script)
    binary.chmod(0o755)
    return f"{folder}:{os.environ['PATH']}"


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    record = tmp_path / "record"
    path = put_on_path(
        tmp_path / "bin", f"#!{sys.executable}\nimport runpy\nrunpy.run_path({str(STAND_IN)!r}, run_name='__main__')\n"
    )
    options = ("--all", "--wait", "--engine", "tensorflow_serving", "--host", "0.0.0.0", "--drain", "3")
    environment = {"PATH": path, "STAND_IN_RECORD": str(record)}
    with serving(tmp_path, *options, environment=environment, anew=True) as served:
        yield Engine(served, LocalRegistry(tmp_path / "models"), record)


def test_it_follows_the_champion_forward_and_back(engine: Engine) -> None:
    engine.served.until(lambda: engine.ready()[0] == 503)
    assert "no model is in production yet" in engine.ready()[1]
    assert engine.served.ask("/healthz", port=engine.served.port + 1)[0] == 200
    assert not engine.record.exists(), "the binary is started once it has something to load"
    engine.publish("one")
    engine.served.until(lambda: engine.ready()[0] == 200)
    assert engine.answers_with() == 1
    engine.publish("two")
    engine.served.until(lambda: engine.answers_with() == 2)
    engine.served.until(lambda: engine.configs()[-1].labels == {"champion": 2, "stable": 2})
    engine.registry.rollback("flight_delay")
    engine.served.until(lambda: engine.answers_with() == 1)
    seen = engine.configs()
    assert [config.versions for config in seen if not config.labels] == [[1]], (
        "labels come once a version answers, and then stay"
    )
    assert list(dict.fromkeys(tuple(config.versions) for config in seen)) == [(1,), (1, 2)]
    assert (seen[-1].versions, seen[-1].labels) == ([1], {"champion": 1, "stable": 1})
    arguments = json.loads((engine.record / "arguments.json").read_text())
    assert arguments[:2] == [f"--rest_api_port={engine.served.port}", f"--port={engine.served.port - 1}"]
    assert "--model_config_file_poll_wait_seconds=1" in arguments
    [monitoring] = [word.partition("=")[2] for word in arguments if word.startswith("--monitoring_config_file=")]
    assert tensorflow_serving.MONITORING_PATH in Path(monitoring).read_text()


def test_a_binary_that_died_is_started_again_and_readiness_tells(engine: Engine) -> None:
    engine.publish("one")
    engine.served.until(lambda: engine.ready()[0] == 200)
    first = int((engine.record / "pid").read_text())
    os.kill(first, signal.SIGKILL)
    engine.served.until(lambda: int((engine.record / "pid").read_text()) != first)
    engine.served.until(lambda: engine.ready()[0] == 200)
    assert engine.answers_with() == 1
    assert "ended with SIGKILL" in engine.served.log.read_text()


@pytest.mark.parametrize("how", ["SIGTERM", "Ctrl-C"])
def test_it_turns_readiness_off_while_the_binary_goes_on_answering(engine: Engine, how: str) -> None:
    engine.publish("one")
    engine.served.until(lambda: engine.ready()[0] == 200)
    binary, server = int((engine.record / "pid").read_text()), engine.served.process.pid
    if how == "SIGTERM":
        engine.served.process.send_signal(signal.SIGTERM)
    else:
        for pid in (binary, *engine.served.children(), server):
            if os.getpgid(pid) == os.getpgid(server):  # as a terminal does
                os.kill(pid, signal.SIGINT)
    started = time.monotonic()
    engine.served.until(lambda: engine.ready()[0] == 0)
    while time.monotonic() < started + 0.5:
        assert engine.answers_with() == 1
        time.sleep(0.02)
    assert engine.served.process.wait(120) == 0
    assert not Path(f"/proc/{binary}").exists()
    assert not list((engine.registry.root.parent / "serving").iterdir())


def test_a_binary_that_never_starts_ends_the_server(tmp_path: Path) -> None:
    path = put_on_path(tmp_path / "bin", "#!/bin/sh\nexit 3\n")
    registry = LocalRegistry(tmp_path / "models")
    Engine(Served, registry, tmp_path).publish("one")  # type: ignore[arg-type]
    options = ("--all", "--engine", "tensorflow_serving", "--host", "0.0.0.0")
    with serving(tmp_path, *options, environment={"PATH": path}, anew=True) as served:
        assert served.process.wait(180) == 1
        assert "exit code 3" in served.log.read_text()
        assert "in a row" in served.log.read_text()


def test_without_the_binary_it_says_how_to_get_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match="wanted tensorflow_model_server on PATH"):
        tensorflow_serving.command_line(free_port(), free_port())
