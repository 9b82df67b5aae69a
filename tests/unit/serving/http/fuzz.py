"""Random heads and bodies for a running server; `python -m tests.sweeps requests` sends many.

Each request gets one well-formed answer (or a closed connection) within the deadline; of the 5xx only 503 (busy), 504
(too slow) and 501 (an unknown method or transfer coding); and the next good request is answered as ever.
"""

import gzip
import http.client
import json
import random
import socket
import time
from dataclasses import dataclass

ROW = {"carrier": "AA", "hour": 17, "distance": 1089.0, "temp": 55.9}
GOOD = json.dumps({"instances": [ROW]}).encode()
ALLOWED_5XX = {501, 503, 504}
_PATHS = (
    "/v1/models/delay:predict",
    "/v1/models/delay:classify",
    "/v1/models/delay/versions/1:predict",
    "/v2/models/delay/infer",
    "/v1/models/delay",
    "/v1/models",
    "/v2/models/delay",
    "/v1/models/delay/metadata",
    "/v1/models/delay/openapi.json",
    "/",
    "/healthz",
    "/metrics",
    "/v1/models/../../etc/passwd",
    "/v1/models/%64elay:predict",
    "*",
    "http://elsewhere/v1/models/delay",
)
_METHODS = ("GET", "POST", "HEAD", "PUT", "OPTIONS", "DELETE", "TRACE", "G\x00T", "post")
_TOKENS = (
    *(b'{"instances":', b'{"inputs":', b'"carrier"', b'"hour":', b'"data":', b'"shape":[1],', b'"b64"', b"["),
    *(b"]", b"{", b"}", b",", b":", b'"', b"\\", b"\\ud800", b"\\u0000", b"NaN", b"-Infinity", b"1e999", b"-0"),
    *(b"9" * 400, b"0." + b"1" * 300, b"16777217", b"null", b"true", b"\xff", b"\xef\xbb\xbf", b" " * 50, b"\x00"),
)


@dataclass(frozen=True)
class Answered:
    """The status of an answer; 0 for a connection that was closed without one."""

    status: int
    seconds: float


def request(chosen: random.Random) -> bytes:
    """Make one request: most are nearly good, so that faults behind the first check are met too."""
    content = body(chosen)
    headers = [b"Host: x", b"Content-Type: " + chosen.choice((b"application/json", b"text/plain", b"a/b; \xff=", b""))]
    if chosen.random() < 0.2:
        content = gzip.compress(content) if chosen.random() < 0.8 else b"\x1f\x8b" + content
        headers.append(b"Content-Encoding: gzip")
    if chosen.random() < 0.25:
        headers.append(b"Transfer-Encoding: " + chosen.choice((b"chunked", b"chunked", b"gzip, chunked", b"identity")))
        content = _chunked(chosen, content)
    else:
        length = len(content) + (chosen.choice((-1, 1, 10**6, 10**30)) if chosen.random() < 0.1 else 0)
        headers.append(b"Content-Length: %d" % max(length, -1))
    for _ in range(chosen.choice((0, 0, 1, 3))):
        headers.append(bytes(chosen.choices(range(256), k=chosen.randrange(1, 60))).replace(b"\n", b""))
    if chosen.random() < 0.1:
        headers.append(chosen.choice((b"Expect: 100-continue", b"Upgrade: h2c", b"Connection: close", b"Host: y")))
    start = f"{chosen.choice(_METHODS[:2] * 4 + _METHODS)} {chosen.choice(_PATHS[:4] * 3 + _PATHS)} HTTP/1.1"
    sent = b"\r\n".join([start.encode(), *headers, b"", b""]) + content
    if chosen.random() < 0.1:
        at = chosen.randrange(len(sent))
        sent = sent[:at] + bytes(chosen.choices(range(256), k=3)) + sent[at + 3 :]
    return sent


def ask(port: int, sent: bytes, seconds: float) -> Answered:
    """Send a request, end the sending side, and read until the server closes."""
    began = time.monotonic()
    received = b""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=seconds) as client:
            client.sendall(sent)
            client.shutdown(socket.SHUT_WR)
            while chunk := client.recv(65536):
                received += chunk
    except TimeoutError:
        return Answered(-1, time.monotonic() - began)
    except OSError:
        pass
    head = received.partition(b"\r\n")[0].split(b" ")
    while head[1:2] == [b"100"]:
        received = received.partition(b"\r\n\r\n")[2]
        head = received.partition(b"\r\n")[0].split(b" ")
    is_answer = len(head) > 1 and head[0] == b"HTTP/1.1" and head[1].isdigit()
    return Answered(int(head[1]) if is_answer else (-2 if received else 0), time.monotonic() - began)


def good(port: int, seconds: float) -> bool:
    """Whether a good request is answered."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=seconds)
    try:
        connection.request("POST", "/v1/models/delay:predict", GOOD)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def fault(answered: Answered) -> str:
    """Say what is wrong with an answer; empty when nothing is."""
    if answered.status == -1:
        return f"no end within {answered.seconds:.0f} s"
    if answered.status == -2:
        return "an answer that is no HTTP"
    return "" if answered.status < 500 or answered.status in ALLOWED_5XX else f"status {answered.status}"


def body(chosen: random.Random) -> bytes:
    """Make a body: text of JSON's tokens, deep nesting, or nearly good rows and tensors."""
    kind = chosen.randrange(6)
    if kind == 0:
        return b"".join(chosen.choices(_TOKENS, k=chosen.randrange(1, 60)))
    if kind == 1:
        return b'{"instances":' + chosen.choice((b"[", b'{"a":', b'[{"carrier":')) * chosen.randrange(1, 4000)
    if kind == 2:
        tensors = [{"name": name, "datatype": "FP32", "shape": [1], "data": [value]} for name, value in ROW.items()]
        text = json.dumps({"inputs": tensors}).encode()
    else:
        text = json.dumps({"instances": [ROW] * chosen.choice((1, 1, 3, 100))}).encode()
    for _ in range(chosen.randrange(4)):
        at = chosen.randrange(len(text))
        text = text[:at] + chosen.choice(_TOKENS) + text[at + chosen.randrange(4) :]
    return text


def _chunked(chosen: random.Random, body: bytes) -> bytes:
    size = chosen.choice((1, 7, 500, 70_000))
    parts = [body[at : at + size] for at in range(0, len(body), size)][:300]
    extension = chosen.choice((b"", b"", b";x=1", b";" + b"y" * 5000))
    ended = chosen.choice((b"0\r\n\r\n", b"0\r\n\r\n", b"0\r\nX: 1\r\n\r\n", b"", b"g\r\n"))
    return b"".join(b"%x%s\r\n%s\r\n" % (len(part), extension, part) for part in parts) + ended
