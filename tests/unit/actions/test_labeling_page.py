"""The page to label in: safe against other sites, saves each answer once, works with the keyboard and offline."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from starlette.testclient import TestClient

from artifacts.labels.files import folder_of, labels
from core.errors import UsageError
from mlops.actions.labeling.server import PAGE, Session, app
from tests.free_port import free_port
from tests.unit.actions.chromium import FOUND, browser
from tests.unit.actions.labeled_rows import label, queue, rows, store

XSS = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"
TEXTS = (XSS, "see you at noon", "win a prize")
HOST = "127.0.0.1:8777"


def session(root: Path, annotator: str = "ann", overlap: int = 1) -> Session:
    return Session(store(root), queue(rows(*TEXTS), overlap), annotator)


def client(of: Session, **headers: str) -> TestClient:
    return TestClient(app(of, 8777), base_url=f"http://{HOST}", headers={"X-Label-Token": of.token} | headers)


def answer(key: str = "k0", value: Any = "spam", time_: str = "2026-11-01T12:00:00Z") -> dict[str, Any]:
    return {"key": key, "label": value, "time": time_}


def test_an_answer_is_saved_at_once_and_once(tmp_path: Path) -> None:
    found = session(tmp_path)
    page = client(found)
    assert [row["key"] for row in page.get("/queue").json()["rows"]] == ["k0", "k1", "k2"]
    for _ in range(2):
        assert page.post("/answer", json=answer()).json() == {"saved": True}
    assert list(labels(folder_of(tmp_path, "spam"))) == [
        label("k0")._replace(source="serve", where="serve-ann.jsonl:1")
    ]
    after = page.get("/queue").json()
    assert ([row["key"] for row in after["rows"]], after["done"]) == (["k1", "k2"], 1)
    later = answer(value="ham", time_="2026-11-01T12:00:01Z")
    assert page.post("/answer", json=later).status_code == 200, "a later answer corrects the first"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (answer("k9"), "key 'k9'"),
        (answer("held"), "key 'held'"),
        (answer(value="eggs"), "wanted one of 'ham', 'spam', got 'eggs'"),
        (answer(value=None), "wanted a key and a label"),
        (answer(time_="2999-01-01T00:00:00Z"), "wanted at most"),
        (answer(time_="noon"), "wanted a time with its zone"),
        ([], "wanted an object"),
    ],
)
def test_an_answer_that_cannot_be_used_is_refused_and_not_kept(tmp_path: Path, body: Any, message: str) -> None:
    reply = client(session(tmp_path)).post("/answer", json=body)
    assert reply.status_code == 422
    assert message in reply.json()["error"]
    assert not list(labels(folder_of(tmp_path, "spam")))


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Label-Token": ""},
        {"X-Label-Token": "guess"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": f"http://{HOST.replace('8777', '9999')}"},
        {"Host": "evil.example:8777"},
        {"Sec-Fetch-Site": "cross-site"},
    ],
)
def test_other_sites_and_those_without_the_token_are_refused(tmp_path: Path, headers: dict[str, str]) -> None:
    page = client(session(tmp_path), **headers)
    for reply in (page.get("/queue"), page.post("/answer", json=answer())):
        assert reply.status_code == 403
        assert "access-control-allow-origin" not in reply.headers
    assert not list(labels(folder_of(tmp_path, "spam")))


def test_the_page_has_no_data_and_may_load_nothing(tmp_path: Path) -> None:
    found = session(tmp_path)
    reply = client(found, **{"X-Label-Token": ""}).get("/")
    assert reply.text == PAGE.read_text()
    assert found.token not in reply.text
    assert "http" not in reply.text.replace("http-equiv", "")
    policy = reply.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


def test_a_body_that_is_too_long_or_no_json_is_refused(tmp_path: Path) -> None:
    page = client(session(tmp_path))
    assert page.post("/answer", content=b"x" * 70_000).status_code == 413
    assert page.post("/answer", content=b"{").status_code == 422


@pytest.mark.parametrize("name", ["", "../x", "a/b", "a b", ".hidden", "x" * 100])
def test_an_annotator_is_named_by_plain_characters(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="--annotator"):
        session(tmp_path, name)


def test_two_annotators_who_answer_at_once_lose_nothing(tmp_path: Path) -> None:
    both = [client(session(tmp_path, name, 2)) for name in ("ann", "bob")]

    def label_all(page: TestClient) -> None:
        for key in ("k0", "k1", "k2"):
            assert page.post("/answer", json=answer(key)).status_code == 200

    threads = [threading.Thread(target=label_all, args=(page,)) for page in both]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(list(labels(folder_of(tmp_path, "spam")))) == 6


@contextmanager
def served(found: Session, port: int) -> Iterator[None]:
    server = uvicorn.Server(uvicorn.Config(app(found, port), host="127.0.0.1", port=port, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    deadline = time.monotonic() + 120
    while not server.started:
        assert time.monotonic() < deadline and thread.is_alive()
        time.sleep(0.02)
    try:
        yield
    finally:
        server.should_exit = True
        thread.join()


def test_the_page_answers_over_http_without_a_browser(tmp_path: Path) -> None:
    found, port = session(tmp_path), free_port()
    with served(found, port), httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=120) as http:
        headers = {"X-Label-Token": found.token, "Origin": f"http://127.0.0.1:{port}"}
        assert http.get("/").status_code == 200
        assert http.get("/queue", headers=headers).json()["usecase"] == "spam"
        assert http.post("/answer", headers=headers, json=answer()).status_code == 200
    assert len(list(labels(folder_of(tmp_path, "spam")))) == 1


@pytest.mark.skipif(FOUND is None, reason="no chromium on this machine")
def test_a_person_labels_with_the_keyboard_also_while_the_server_is_away(tmp_path: Path) -> None:
    found, port = session(tmp_path), free_port()
    address = f"http://127.0.0.1:{port}/#{found.token}"
    with browser(tmp_path / "profile") as page:
        with served(found, port):
            page.open(address)
            page.wait_for("document.querySelectorAll('#classes button').length === 2")
            assert page.value("document.querySelector('#row dd').textContent") == XSS
            assert page.value("document.title") == "Label rows"
            assert page.value("document.querySelector('#row img')") is None
            page.press("2")
            page.wait_for("document.getElementById('state').textContent === 'saved'")
            page.press("Backspace", "1")
            page.wait_for("document.querySelector('#row dd').textContent === 'see you at noon'")
            page.wait_for("document.getElementById('state').textContent === 'saved'")
        assert [one.label for one in labels(folder_of(tmp_path, "spam"))] == ["spam", "ham"]
        page.press("1", "2")
        page.wait_for("document.getElementById('state').textContent.startsWith('offline: 2')")
        assert "All rows have an answer" in page.value("document.getElementById('row').textContent")
        with served(found, port):
            page.wait_for("document.getElementById('state').textContent === 'saved'")
    kept = [(one.key, one.label) for one in labels(folder_of(tmp_path, "spam"))]
    assert kept == [("k0", "spam"), ("k0", "ham"), ("k1", "ham"), ("k2", "spam")]
