"""Bad requests: each gets its status and an error that names the place, and the next request is answered."""

import gzip
import json
import os
from typing import Any

import pytest
from bad_values import BAD_VALUES
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from serving.bodies.strict_json import STRING, parse
from serving.errors import RequestError
from serving.limits import Limits
from tests.unit.serving.in_process_server import LIMITS, InProcessServer

ROW: dict[str, Any] = {"carrier": "AA", "hour": 17, "distance": 1089.0, "temp": 55.9}
PREDICT = "/v1/models/delay:predict"
EXAMPLES = 3000 if os.environ.get("MLOPS_TEST_NIGHTLY") else 120


def rows(*values: Any) -> str:
    return json.dumps({"instances": list(values)})


def row_with(field: str, text: str) -> str:
    """A good row and then one whose field is the given JSON text."""
    bad = json.dumps(ROW | {field: "@"}).replace('"@"', text)
    return f'{{"instances": [{json.dumps(ROW)}, {bad}]}}'


@pytest.mark.parametrize(
    ("field", "text", "error"), BAD_VALUES, ids=[f"{field}={text:.20}" for field, text, _ in BAD_VALUES]
)
def test_a_value_of_the_wrong_type_is_named(served: InProcessServer, field: str, text: str, error: str) -> None:
    response = served.client.post(PREDICT, content=row_with(field, text), headers={"content-type": "application/json"})
    assert response.status_code == 400, response.text
    assert response.json()["error"].startswith(error)
    assert response.json()["code"] == "INVALID_ARGUMENT"
    if field != "carrier" or text not in {"null"}:
        column = {"inputs": {name: [value, value] for name, value in ROW.items()}}
        body = json.dumps(column).replace(json.dumps([ROW[field]] * 2), f"[{json.dumps(ROW[field])}, {text}]")
        response = served.client.post(PREDICT, content=body, headers={"content-type": "application/json"})
        assert response.status_code == 400
        assert response.json()["error"].startswith(error.replace(f"instances[1].{field}", f"inputs.{field}[1]"))


BAD_BODIES = [
    ("", "JSON Parse error: Expecting value at line 1 column 1"),
    ("{", "JSON Parse error"),
    ("[1, 2,]", "JSON Parse error"),
    ("{} {}", "JSON Parse error: Extra data"),
    (b'\xef\xbb\xbf{"instances": []}', "JSON Parse error"),
    (b'{"instances": ["\xff"]}', "JSON Parse error: not UTF-8 at byte 16"),
    ("[" * 100_000, "JSON Parse error: nested deeper than 20 levels"),
    ('{"a":' * 50 + "1" + "}" * 50, "JSON Parse error: nested deeper than 20 levels"),
    ("null", "the request: wanted an object, got None"),
    ("[]", "the request: wanted an object, got a list"),
    ("{}", "wanted exactly one of 'instances' (rows) and 'inputs' (columns), got neither"),
    ('{"instances": [1], "inputs": [1]}', "wanted exactly one of 'instances' (rows) and 'inputs' (columns), got both"),
    ('{"instance": []}', "the request: unknown key 'instance'; did you mean 'instances'?"),
    ('{"instances": [], "instances": []}', "the request: the key 'instances' appears twice"),
    ('{"instances": []}', "instances: wanted at least one row, got none"),
    ('{"instances": {}}', "instances: wanted a list, got an object"),
    ('{"instances": [5]}', "instances[0]: wanted an object of features, got 5"),
    ('{"instances": [{"hour": 1, "hour": 2}]}', "instances[0]: the key 'hour' appears twice"),
    ('{"signature_name": 5, "instances": [1]}', "signature_name: wanted a string, got 5"),
    (
        '{"signature_name": "serving_defualt", "instances": [1]}',
        'Serving signature name: "serving_defualt" not found in signature def; did you mean',
    ),
    (
        rows({"carrier": "AA", "distence": 1.0, "hour": 1}),
        "instances[0]: unknown feature 'distence'; did you mean 'distance'?; missing feature 'distance'",
    ),
    (rows(ROW, {}), "instances[1]: missing feature 'carrier'; missing feature 'distance'; missing feature 'hour'"),
    (rows(ROW | {"\udcff": 1}), r"instances[0]: unknown feature '\udcff'"),
    (rows(ROW | {f"x{at}": 1 for at in range(500)}), "instances[0]: unknown feature 'x0'"),
    ('{"inputs": {"hour": [1]}}', "inputs: missing feature 'carrier'; missing feature 'distance'"),
    ('{"inputs": 5}', "inputs: wanted an object of columns, got 5"),
    (
        '{"inputs": {"carrier": ["AA"], "hour": [1, 2], "distance": [3.0]}}',
        "inputs.hour: wanted 1 values as in inputs.carrier, got 2",
    ),
    (
        '{"inputs": {"carrier": "AA", "hour": [1], "distance": [3.0]}}',
        "inputs.carrier: wanted a list, got the string 'AA'",
    ),
]


@pytest.mark.parametrize(("body", "error"), BAD_BODIES, ids=[str(body)[:40] for body, _ in BAD_BODIES])
def test_a_body_that_is_no_request_is_explained(served: InProcessServer, body: str | bytes, error: str) -> None:
    response = served.client.post(PREDICT, content=body, headers={"content-type": "application/json"})
    assert response.status_code == 400, response.text
    assert response.json()["error"].startswith(error), response.json()["error"]
    assert len(response.content) < 2000


UNCLOSED = b'{"instances":[' + b"[]," * 40 + b'"' + rb"\"" * 2_000


@given(st.one_of(st.binary(), st.lists(st.sampled_from([b'"', b"\\", b"[", b"a"])).map(b"".join)))
@example(UNCLOSED)
@example(UNCLOSED + b"\\")
def test_no_quote_is_looked_at_twice(body: bytes) -> None:
    """An attempt to match that fails is made again at the next quote: that made a few kilobytes cost minutes."""
    at = 0
    while (quote := body.find(b'"', at)) >= 0:
        match = STRING.match(body, quote)
        assert match is not None
        at = match.end()


@pytest.mark.timeout(20)
def test_a_string_that_is_never_closed_costs_no_more_than_its_bytes() -> None:
    body = UNCLOSED + rb"\"" * 500_000
    with pytest.raises(RequestError, match="JSON Parse error"):
        parse(body, Limits())


JSON = {"content-type": "application/json"}
REFUSED = [
    ("batch too large", rows(*[ROW] * 65), JSON, 413, "instances: wanted at most 64 rows, got 65"),
    ("body too large", " " * (LIMITS.body_bytes + 1), JSON, 413, "the body has 200001 bytes"),
    ("length lies", "{}", JSON | {"content-length": "999999999999"}, 413, "the body has 999999999999 bytes"),
    (
        "gzip bomb",
        gzip.compress(b" " * 20_000_000),
        JSON | {"content-encoding": "gzip"},
        413,
        "the inflated body is larger than 200000 bytes",
    ),
    ("no gzip", b"{}", JSON | {"content-encoding": "gzip"}, 400, "Content-Encoding: wanted gzip"),
    (
        "cut gzip",
        gzip.compress(b"{}")[:-4],
        JSON | {"content-encoding": "gzip"},
        400,
        "Content-Encoding: wanted one whole gzip stream",
    ),
    ("brotli", b"{}", JSON | {"content-encoding": "br"}, 415, "Content-Encoding: wanted gzip or none, got 'br'"),
    ("text", "{}", {"content-type": "text/csv"}, 415, "Content-Type: wanted application/json, got 'text/csv'"),
    (
        "no name before +json",
        "{}",
        {"content-type": "+json"},
        415,
        "Content-Type: wanted application/json, got '+json'",
    ),
    (
        "compressed transfer",
        iter([b"{}"]),
        JSON | {"transfer-encoding": "gzip, chunked"},
        501,
        "Transfer-Encoding: wanted chunked or none, got 'gzip, chunked'",
    ),
    ("chunks too large", iter([b" " * 70_000] * 3), JSON, 413, "the body is larger than 200000 bytes"),
    (
        "form",
        b"{}",
        {"content-type": "multipart/form-data; boundary=x"},
        415,
        "Content-Type: wanted application/json, got 'multipart/form-data'",
    ),
]


@pytest.mark.parametrize(
    ("body", "headers", "status", "error"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED]
)
def test_what_is_too_much_or_not_json_is_refused(
    served: InProcessServer, body: str | bytes, headers: dict[str, str], status: int, error: str
) -> None:
    response = served.client.post(PREDICT, content=body, headers=headers)
    assert response.status_code == status, response.text
    assert response.json()["error"].startswith(error)


def test_a_body_comes_with_a_length_or_in_chunks(served: InProcessServer) -> None:
    chunks = rows(ROW).encode()
    response = served.client.post(PREDICT, content=iter([chunks[:9], chunks[9:]]), headers=JSON)
    assert response.status_code == 200, response.text
    request = served.client.build_request("POST", PREDICT, headers=JSON)
    del request.headers["content-length"]
    response = served.client.send(request)
    assert response.status_code == 411
    assert response.json()["error"] == "wanted a Content-Length or a chunked body, got neither"


@pytest.mark.parametrize(
    "kind",
    [
        "application/json; charset=utf-8",
        "application/x-www-form-urlencoded",
        "text/plain; charset=ISO-8859-1",
        "application/vnd.api+json",
        "application/octet-stream",
        "",
    ],
)
def test_what_curl_and_careless_clients_say_of_json_is_taken(served: InProcessServer, kind: str) -> None:
    assert (
        served.client.post(PREDICT, content=rows(ROW), headers={"content-type": kind} if kind else {}).status_code
        == 200
    )


def test_gzip_is_taken(served: InProcessServer) -> None:
    response = served.client.post(
        PREDICT, content=gzip.compress(rows(ROW).encode()), headers=JSON | {"content-encoding": "gzip"}
    )
    assert response.status_code == 200


def test_an_unknown_category_is_answered(served: InProcessServer) -> None:
    assert (
        served.client.post(PREDICT, content=rows(ROW | {"carrier": "never seen é😀"}), headers=JSON).status_code == 200
    )


@pytest.mark.known_failure(15)
def test_an_output_that_is_no_number_is_an_error_and_counted(served: InProcessServer) -> None:
    response = served.client.post(PREDICT, content=rows(ROW, ROW | {"distance": 3e30}), headers=JSON)
    assert response.status_code == 500
    assert response.json()["code"] == "NON_FINITE_OUTPUT"
    assert "'predictions' has 1 values that are not finite" in response.json()["error"]
    assert 'mlops_serving_non_finite_outputs_total{model="delay",version="1"}' in served.client.get("/metrics").text


@pytest.mark.parametrize(
    ("verb", "body", "error"),
    [
        ("regress", "{}", "wanted 'examples', a list of objects, got nothing"),
        ("regress", '{"examples": []}', "examples: wanted at least one row, got none"),
        ("regress", '{"examples": [5]}', "examples[0]: wanted an object of features, got 5"),
        ("regress", '{"context": 5, "examples": [{}]}', "context: wanted an object, got 5"),
        (
            "classify",
            '{"examples": [{"hour": 1.5, "carrier": "AA", "distance": 1}]}',
            "examples[0].hour: wanted an integer that int64 holds, got 1.5",
        ),
        ("classify", '{"examples": [{"hours": 1}]}', "examples[0]: unknown feature 'hours'; did you mean 'hour'?"),
        (
            "classify",
            '{"signature_name": "serving_default", "examples": [{}]}',
            "signature 'serving_default' does not take tf.Example records",
        ),
        (
            "classify",
            '{"signature_name": "regress", "examples": [{"carrier": "AA", "hour": 1, "distance": 1}]}',
            "the signature gives outputs: classify needs",
        ),
    ],
)
def test_examples_are_held_to_the_same_rules(served: InProcessServer, verb: str, body: str, error: str) -> None:
    response = served.client.post(f"/v1/models/delay:{verb}", content=body, headers=JSON)
    assert response.status_code == 400
    assert response.json()["error"].startswith(error), response.json()["error"]


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["AA", "hour", "b64"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from([*ROW, "b64", "x"]), inner, max_size=5),
    max_leaves=12,
)


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.one_of(
        st.builds(lambda inner: {"instances": inner}, JSON_VALUES),
        st.builds(lambda inner: {"inputs": inner}, JSON_VALUES),
        JSON_VALUES,
    ),
    st.integers(0, 60),
)
@pytest.mark.known_failure(15)
def test_no_body_makes_the_server_fail(served: InProcessServer, document: Any, cut: int) -> None:
    text = json.dumps(document)
    for body in (text, text[: len(text) - cut]):
        response = served.client.post(PREDICT, content=body, headers=JSON)
        assert response.status_code in {200, 400, 413} or response.json()["code"] == "NON_FINITE_OUTPUT"
        json.loads(response.content, parse_constant=pytest.fail)
