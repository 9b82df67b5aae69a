"""The container behind a Vertex AI endpoint: a real server process, which the service asks as its contract says."""

import json
import shutil
import socket
from collections.abc import Mapping
from pathlib import Path

import pytest
from click.testing import CliRunner
from server_process import BODY, PREDICT, ROW, serving

from core import objects
from core.backends.local_registry import LocalRegistry
from core.backends.registry import ModelVersion, open_registry
from core.errors import CorruptArtifact, UsageError
from core.store import Store
from mlops.cli.server.serve import serve
from serving.vertex_container import Contract, fetch
from tests.google_storage import Served as GoogleStorage
from tests.unit.backends.registries import model

HEALTH, ROUTE = "/v1/endpoints/1001/deployedModels/7", "/v1/endpoints/1001/deployedModels/7:predict"


def copied(address: str, saved_model: Path, scratch: Path) -> ModelVersion:
    """Publish a model, and copy its version's folder as the service does before it starts a container."""
    registry = open_registry(f"{address}/models", scratch)
    version = registry.publish("flight_delay", saved_model, {})
    for entry in objects.walk(version.address):
        objects.write(entry.address.replace(version.address, f"{address}/copied"), objects.read(entry.address))
    return version


def variables(address: str, **more: str) -> Mapping[str, str]:
    return {
        "AIP_HTTP_PORT": "8080",
        "AIP_HEALTH_ROUTE": HEALTH,
        "AIP_PREDICT_ROUTE": ROUTE,
        "AIP_STORAGE_URI": f"{address}/copied/",
        **more,
    }


def test_a_container_answers_as_the_service_demands(
    exported: Path, google_storage: GoogleStorage, tmp_path: Path
) -> None:
    version = copied(google_storage.address, exported / "a", tmp_path / "cache")
    objects.write(f"{google_storage.address}/copied/added-by-the-service", b"x")
    environment = dict(variables(google_storage.address))
    del environment["AIP_HTTP_PORT"]
    with serving(tmp_path, "--vertex", "--digest", version.digest, "--workers", "1", environment=environment) as served:

        def is_listening() -> bool:
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", served.port)) == 0

        served.until(is_listening)  # the probe of TCP; at that moment the model is not loaded
        served.until(lambda: served.ask(HEALTH)[0] == 200)
        status, answer = served.ask(ROUTE, json.dumps({"instances": [ROW, ROW], "parameters": None}))
        assert status == 200
        assert len(json.loads(answer)["predictions"]) == 2
        assert json.loads(answer) == json.loads(
            served.ask(PREDICT, json.dumps({"instances": [ROW, ROW], "parameters": {"x": 1}}))[1]
        )
        assert served.ask(ROUTE, json.dumps({"instances": [ROW | {"hour": "noon"}]}))[0] == 400
        status, answer = served.ask(ROUTE, BODY + " " * 1_500_000)
        assert (status, json.loads(answer)["code"]) == (413, "TOO_LARGE")
        assert served.stop() == 0


def test_what_is_served_is_the_model_that_was_deployed(google_storage: GoogleStorage, tmp_path: Path) -> None:
    version = copied(google_storage.address, model(tmp_path / "m"), tmp_path / "cache")
    contract = Contract.of(variables(google_storage.address))
    found = fetch(contract, tmp_path / "served", version.digest)
    assert (found.name, found.version, found.digest) == ("flight_delay", 1, version.digest)
    assert str(LocalRegistry(tmp_path / "served").pointer("flight_delay")) == version.reference
    assert fetch(contract, tmp_path / "served", version.digest) == found  # a container that starts again
    with pytest.raises(CorruptArtifact, match=r"wanted sha256:000.*mlops endpoint deploy"):
        fetch(contract, tmp_path / "other", "sha256:" + "0" * 64)


@pytest.mark.parametrize("damaged", ["saved_model.pb", "variables/variables.data-00000-of-00001", "manifest.json"])
@pytest.mark.parametrize("change", ["flipped", "missing"])
def test_a_copy_that_differs_is_not_served(
    google_storage: GoogleStorage, tmp_path: Path, damaged: str, change: str
) -> None:
    copied(google_storage.address, model(tmp_path / "m"), tmp_path / "cache")
    address = f"{google_storage.address}/copied/{damaged}"
    content = objects.read(address)
    objects.delete(address)
    if change == "flipped":
        objects.write(address, content[:-3] + bytes([content[-3] ^ 1]) + content[-2:])
    with pytest.raises(CorruptArtifact):
        fetch(Contract.of(variables(google_storage.address)), tmp_path / "served")
    assert not list((tmp_path / "served").glob("*/champion.json"))
    shutil.rmtree(tmp_path / "served", ignore_errors=True)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"AIP_HTTP_PORT": "http"}, "AIP_HTTP_PORT: wanted a port"),
        ({"AIP_HTTP_PORT": "70000"}, "AIP_HTTP_PORT: wanted a port"),
        ({"AIP_HEALTH_ROUTE": ""}, "AIP_HEALTH_ROUTE: wanted a path such as /health"),
        ({"AIP_PREDICT_ROUTE": "predict"}, "AIP_PREDICT_ROUTE: wanted a path"),
        ({"AIP_PREDICT_ROUTE": HEALTH}, "wanted two paths"),
        ({"AIP_STORAGE_URI": ""}, "AIP_STORAGE_URI.*mlops models sync"),
        ({"AIP_STORAGE_URI": "/models"}, "AIP_STORAGE_URI: wanted the address"),
    ],
)
def test_a_variable_that_cannot_be_used_is_one_line(changed: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        Contract.of({**variables("gs://bucket"), **changed})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "options",
    [["flight_delay"], ["--all"], ["--port", "1"], ["--engine", "mlops"], ["--token-file", "t"], ["--grpc-port", "9"]],
)
def test_what_vertex_decides_is_no_option(options: list[str], tmp_path: Path) -> None:
    result = CliRunner().invoke(serve, ["--vertex", *options], obj=Store(tmp_path))
    assert isinstance(result.exception, UsageError)
    assert "--vertex" in str(result.exception)
    alone = CliRunner().invoke(serve, ["flight_delay", "--digest", "sha256:0"], obj=Store(tmp_path))
    assert isinstance(alone.exception, UsageError)
