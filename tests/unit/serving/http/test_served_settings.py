"""`mlops serve` with limits, a token and an access log, asked by other programs' HTTP clients."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests
from server_process import BODY, PREDICT, ROW, Served, serving

from core.backends.registry import open_registry

TOKEN = "0123456789abcdef-of-a-test"


@dataclass(frozen=True)
class Guarded:
    served: Served
    log: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.served.port}{PREDICT}"


@pytest.fixture(scope="module")
def guarded(exported: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    home = tmp_path_factory.mktemp("home")
    registry = open_registry(str(home / "models"))
    registry.promote("flight_delay", registry.publish("flight_delay", exported / "a", {}).version)
    log = home / "access.log"
    arguments = ["flight_delay", "--workers", "1", "--max-body", "50KiB", "--max-rows", "3", "--access-log", str(log)]
    with serving(home, *arguments, environment={"MLOPS_SERVE_TOKEN": TOKEN}) as running:
        running.until(lambda: running.ask("/readyz")[0] == 200)
        yield Guarded(running, log)


def test_requests_is_answered_within_the_limits(guarded: Guarded) -> None:
    with requests.Session() as session:
        assert session.post(guarded.url, json={"instances": [ROW]}, timeout=20).status_code == 401
        session.headers["authorization"] = f"Bearer {TOKEN}"
        answer = session.post(guarded.url, json={"instances": [ROW] * 3}, headers={"x-request-id": "r-1"}, timeout=20)
        assert answer.status_code == 200
        assert len(answer.json()["predictions"]) == 3
        assert (answer.headers["x-model-version"], answer.headers["x-request-id"]) == ("1", "r-1")
        streamed = session.post(guarded.url, data=iter([BODY[:9].encode(), BODY[9:].encode()]), timeout=20)
        assert streamed.json()["predictions"] == answer.json()["predictions"][:1]
        rows = session.post(guarded.url, json={"instances": [ROW] * 4}, timeout=20)
        assert (rows.status_code, rows.json()["error"]) == (
            413,
            "instances: wanted at most 3 rows, got 4; send several requests",
        )
        body = session.post(guarded.url, data=b" " * 5_000_000, timeout=20)
        assert (body.status_code, body.json()["code"]) == (413, "TOO_LARGE")
    found = [json.loads(line) for line in guarded.log.read_text().splitlines()]
    assert [line for line in found if (line["request_id"], line["status"], line["version"]) == ("r-1", 200, "1")]


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_curl_is_answered_when_it_waits_for_100_streams_or_compresses(guarded: Guarded, tmp_path: Path) -> None:
    body = tmp_path / "body.json"
    body.write_text(BODY)
    always = ["curl", "-sS", "--max-time", "20", "-H", f"Authorization: Bearer {TOKEN}"]
    ways = (
        ["-d", f"@{body}"],
        ["-H", "Expect: 100-continue", "-d", f"@{body}"],
        ["-H", "Transfer-Encoding: chunked", "-H", "Content-Type: text/plain", "--data-binary", f"@{body}"],
        ["--http2", "-d", f"@{body}"],
    )
    for way in ways:
        done = subprocess.run([*always, *way, guarded.url], capture_output=True, text=True, check=True)
        assert done.stdout.startswith('{"predictions":[['), (way, done.stdout)
    head = subprocess.run(
        [*always, "-I", guarded.url.removesuffix(":predict")], capture_output=True, text=True, check=True
    )
    assert head.stdout.startswith("HTTP/1.1 200 OK")
