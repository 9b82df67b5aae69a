"""Tokens, cross-origin requests and the access log, as a deployment asks for them."""

import json
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from core.errors import UsageError
from serving.http.access_log import Access, AccessLog
from serving.http.app import ServingApp
from serving.http.bearer import Tokens
from serving.http.policy import Policy
from serving.metrics import Metrics
from tests.unit.serving.in_process_server import LIMITS, InProcessServer

ROW: dict[str, Any] = {"carrier": "AA", "hour": 17, "distance": 1089.0, "temp": 55.9}
PREDICT = "/v1/models/delay:predict"
TOKEN = "0123456789abcdef"
PAGE = "https://app.example"
Ask = Callable[[Policy], TestClient]


@pytest.fixture
def under(served: InProcessServer) -> Ask:
    """Return a client of the shared models under a policy."""
    return lambda policy: TestClient(ServingApp(served.manager, Metrics(), LIMITS, policy).asgi)


def bearer(token: str, scheme: str = "Bearer") -> dict[str, str]:
    return {"authorization": f"{scheme} {token}"}


def test_only_a_request_with_the_token_is_answered(under: Ask) -> None:
    client = under(Policy(token=TOKEN))
    for headers in ({}, bearer("0123456789abcdeF"), bearer(""), bearer(TOKEN, "Basic"), {"authorization": TOKEN}):
        response = client.post(PREDICT, json={"instances": [ROW]}, headers=headers)
        assert response.status_code == 401
        assert response.headers["www-authenticate"].startswith("Bearer")
        assert response.json()["code"] == "UNAUTHENTICATED"
        assert TOKEN not in response.text
    twice = client.get("/v1/models", headers=[("authorization", f"Bearer {TOKEN}")] * 2)
    assert twice.status_code == 401
    for scheme in ("Bearer", "bearer"):
        assert client.post(PREDICT, json={"instances": [ROW]}, headers=bearer(TOKEN, scheme)).status_code == 200


@pytest.mark.parametrize(
    "path", ["/", "/nowhere", "/v1/models", "/v1/models/delay", "/metrics", "/healthz/x", "//readyz"]
)
def test_nothing_but_health_is_open(under: Ask, path: str) -> None:
    client = under(Policy(token=TOKEN))
    assert client.get(path).status_code == 401
    assert client.head(path).status_code == 401
    assert [client.get(health).status_code for health in ("/healthz", "/readyz", "/healthz/")] == [200] * 3


def test_metrics_can_be_opened(under: Ask) -> None:
    client = under(Policy(token=TOKEN, open_metrics=True))
    for path in ("/metrics", "/monitoring/prometheus/metrics"):
        assert client.get(path).status_code == 200
    assert client.get("/v1/models").status_code == 401
    assert 'mlops_serving_requests_total{code="401",model="",verb="",version=""} 1.0' in client.get("/metrics").text


def test_tokens_of_a_file_change_with_it_and_none_is_taken_while_it_is_broken(under: Ask, tmp_path: Path) -> None:
    file = tmp_path / "tokens"
    file.write_text(f"{TOKEN}\n\nfedcba9876543210\n")
    client = under(Policy(token_file=file))

    def statuses() -> list[int]:
        return [
            client.get("/v1/models", headers=bearer(token)).status_code
            for token in (TOKEN, "fedcba9876543210", "a-third-one-of-20-chars")
        ]

    assert statuses() == [200, 200, 401]
    file.write_text("a-third-one-of-20-chars")
    assert statuses() == [401, 401, 200]
    file.write_text("short")
    assert statuses() == [401, 401, 401]
    file.write_text(TOKEN)
    assert statuses() == [200, 401, 401]
    file.unlink()
    assert statuses() == [401, 401, 401]


@pytest.mark.parametrize("text", ["short", "with a space in the middle", "0123456789abcdé0", "", "\n \n"])
def test_a_token_that_can_be_guessed_or_not_be_sent_is_refused_without_showing_it(tmp_path: Path, text: str) -> None:
    file = tmp_path / "tokens"
    file.write_text(text)
    with pytest.raises(UsageError, match="--token-file") as caught:
        Tokens("", file)
    assert not text.strip() or text not in str(caught.value)


def test_pages_of_an_allowed_origin_may_read_answers_and_ask_first_without_a_token(under: Ask) -> None:
    client = under(Policy(token=TOKEN, origins=(PAGE,)))
    asking = {"access-control-request-method": "POST", "access-control-request-headers": "authorization, content-type"}
    allowed = client.options(PREDICT, headers={"origin": PAGE} | asking)
    assert allowed.status_code == 200
    assert allowed.headers["access-control-allow-origin"] == PAGE
    assert "POST" in allowed.headers["access-control-allow-methods"]
    response = client.post(PREDICT, json={"instances": [ROW]}, headers={"origin": PAGE} | bearer(TOKEN))
    assert response.status_code == 200
    assert response.headers["access-control-allow-origin"] == PAGE
    assert "X-Model-Version" in response.headers["access-control-expose-headers"]
    assert client.get("/v1/models", headers={"origin": PAGE}).headers["access-control-allow-origin"] == PAGE, (
        "a 401 too"
    )


@pytest.mark.parametrize("origin", ["https://evil.example", "http://app.example", f"{PAGE}.evil.example", "null"])
def test_other_pages_may_not(under: Ask, origin: str) -> None:
    client = under(Policy(origins=(PAGE,)))
    asked = client.options(PREDICT, headers={"origin": origin, "access-control-request-method": "POST"})
    assert asked.status_code == 400
    assert "access-control-allow-origin" not in asked.headers
    response = client.post(PREDICT, json={"instances": [ROW]}, headers={"origin": origin})
    assert "access-control-allow-origin" not in response.headers


@pytest.mark.parametrize("origin", ["app.example", "https://app.example/", "https://*.example", "ftp://a", "null", ""])
def test_an_origin_that_no_browser_sends_is_refused(origin: str) -> None:
    with pytest.raises(UsageError, match="--allow-origin"):
        Policy(origins=(origin,))


def test_each_request_is_one_line_that_no_client_can_garble(served: InProcessServer, tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    app = ServingApp(served.manager, Metrics(), LIMITS, Policy(token=TOKEN, access_log=str(log)))
    client = TestClient(app.asgi)
    client.post(
        "/v1/models/delay/versions/2:predict",
        json={"instances": [ROW]},
        headers=bearer(TOKEN) | {"x-request-id": "mine-1"},
    )
    client.get('/a%0A{"status":200}%22?secret=1')
    client.head("/healthz")
    assert app.access_log is not None
    app.access_log.close()
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [(line["method"], line["path"], line["status"], line["version"]) for line in lines] == [
        ("POST", "/v1/models/delay/versions/2:predict", 200, "2"),
        ("GET", '/a\n{"status":200}"', 401, ""),
        ("HEAD", "/healthz", 200, ""),
    ]
    assert lines[0]["request_id"] == "mine-1"
    assert lines[0]["bytes"] > 20
    assert lines[2]["bytes"] == 0
    assert {"time", "client", "ms"} <= lines[0].keys()
    assert TOKEN not in log.read_text()


ACCESS = Access(0.0, "127.0.0.1", "GET", "/healthz", 200, 18, 0.001, "", "id")


def test_a_log_that_was_moved_away_is_begun_again(tmp_path: Path) -> None:
    log = AccessLog(str(tmp_path / "access.log"), Metrics())
    log.write(ACCESS)
    moved = tmp_path / "access.log.1"
    _until(lambda: (tmp_path / "access.log").exists() and (tmp_path / "access.log").stat().st_size > 0)
    (tmp_path / "access.log").rename(moved)
    log.write(ACCESS._replace(request_id="second"))
    log.close()
    assert json.loads(moved.read_text())["request_id"] == "id"
    assert json.loads((tmp_path / "access.log").read_text())["request_id"] == "second"


def test_no_request_waits_for_a_reader_that_does_not_read(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    metrics = Metrics()
    log = AccessLog(str(pipe), metrics)
    for _ in range(11_000):
        log.write(ACCESS)
    dropped = [line for line in metrics.text().decode().splitlines() if line.startswith("mlops_serving_access_log_dr")]
    assert any(float(line.split()[-1]) >= 500 for line in dropped), dropped
    with pipe.open("rb") as reader:  # lets the thread end
        assert json.loads(reader.readline())["status"] == 200


def _until(holds: Callable[[], bool]) -> None:
    waiting = threading.Event()
    for _ in range(500):
        if holds():
            return
        waiting.wait(0.02)
    pytest.fail("it never came")
