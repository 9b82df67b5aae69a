"""All requests together hold no more memory than the server allows, counted from the parsed form of their bodies."""

import gzip
import json
import multiprocessing
import tracemalloc
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import hypothesis.extra.numpy as hnp
import hypothesis.strategies as st
import numpy as np
import pytest
from answer_memory import peak_of_writing
from hypothesis import given, settings
from starlette.testclient import TestClient

from core.errors import UsageError
from serving.bodies import answer_size
from serving.errors import RequestError
from serving.http.app import ServingApp
from serving.http.inference import Inference, InferenceRequest
from serving.http.paths import ParsedPath
from serving.limits import Limits
from serving.memory_budget import MemoryBudget
from serving.metrics import Metrics
from serving.signature import Field
from tests.unit.serving.in_process_server import InProcessServer

BYTES = 60_000
ROW = {"carrier": "AA", "hour": 17, "distance": 1089.0, "temp": 55.9}


def test_a_request_is_charged_until_its_answer_and_what_is_too_much_is_refused() -> None:
    budget = MemoryBudget(Limits(memory_bytes=100, body_bytes=10, expansion=10))
    with budget.charge() as charge:
        charge.hold(5)
        charge.hold(8)
        with pytest.raises(RequestError, match="too many large requests") as caught, budget.charge() as other:
            other.hold(9)
            other.hold(93)
        assert caught.value.status == 503
        with budget.charge() as other:
            other.parse(9)
        charge.parse(10)
        with pytest.raises(RequestError), budget.charge() as other:
            other.hold(1)
        charge.hold(3)
    with budget.charge() as charge:
        charge.hold(100)


def test_an_answer_is_charged_besides_its_request_and_one_that_never_fits_is_refused_for_good() -> None:
    budget = MemoryBudget(Limits(memory_bytes=100, body_bytes=10, expansion=10))
    with budget.charge() as charge:
        charge.parse(4)
        charge.answer(50)
        charge.answer(60)
        with pytest.raises(RequestError, match="too many large requests") as caught, budget.charge() as other:
            other.hold(1)
        assert caught.value.status == 503
        with pytest.raises(RequestError, match="send fewer rows in one request") as caught:
            charge.answer(61)
        assert caught.value.status == 413
        charge.hold(30)
        with budget.charge() as other:
            other.parse(3)
            with pytest.raises(RequestError) as caught:
                other.answer(50)
            assert caught.value.status == 503, "later there may be room"
    assert budget._charged == 0


def test_a_reply_is_charged_alone_while_its_client_reads_and_not_any_more_after_that() -> None:
    budget = MemoryBudget(Limits(memory_bytes=100, body_bytes=10, expansion=10))
    charge = budget.open()
    charge.parse(4)
    charge.shrink(7)
    assert budget._charged == 7
    charge.close()
    charge.shrink(7)
    assert budget._charged == 0


SHAPES = st.lists(st.integers(1, 40), min_size=1, max_size=3)
FLOATS = st.floats(width=32, allow_nan=False, allow_infinity=False, allow_subnormal=False)
TEXTS = st.one_of(st.text(max_size=30).map(str.encode), st.binary(max_size=30), st.just(b"\x00" * 30))


@pytest.fixture(scope="module")
def alone() -> Iterator[ProcessPoolExecutor]:
    """A process in which nothing else takes memory: the allocator counts all threads of its process together."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        yield pool


@given(
    st.dictionaries(
        st.text("abc_bytes", min_size=1),
        st.one_of(
            hnp.arrays(st.sampled_from([np.float32, np.float64]), SHAPES, elements=FLOATS),
            hnp.arrays(np.int64, SHAPES),
            hnp.arrays(object, SHAPES, elements=TEXTS),
        ),
        min_size=1,
        max_size=3,
    )
)
@settings(max_examples=60, deadline=None)
def test_no_answer_takes_more_memory_than_it_is_charged_with(
    alone: ProcessPoolExecutor, outputs: dict[str, Any]
) -> None:
    rows = min(map(len, outputs.values()))
    outputs = {name: values[:rows] for name, values in outputs.items()}
    assert alone.submit(peak_of_writing, outputs, rows).result() < answer_size.most(outputs)
    dtypes = {name: "string" if values.dtype == object else str(values.dtype) for name, values in outputs.items()}
    fields = [Field(name, dtypes[name], (None, *values.shape[1:])) for name, values in outputs.items()]
    assert answer_size.expected(fields, rows) <= answer_size.most(outputs), "else it would be refused for nothing"


def test_limits_that_would_refuse_the_largest_body_forever_are_refused() -> None:
    with pytest.raises(UsageError, match=r"memory_bytes: wanted at least 6400 .* allow more memory or smaller bodies"):
        Limits(memory_bytes=6399, body_bytes=100, expansion=64)


def hostile() -> Iterator[tuple[str, bytes]]:
    for unit in (
        *("[]", "{}", "[[]]", "[[[]]]", "[" * 28 + "]" * 28, '{"":0}', '{"":[]}', '{"":{}}', '{"":0,"":0}', "NaN"),
        *("0", "-1", "999", "1e9", "1e999", "9" * 50, '""', '"ab"', '"😀"', r'"\ud83d\ude00"', "null", '{"b64":""}'),
    ):
        filled = ",".join([unit] * (BYTES // len(unit.encode())))
        for before, after in (('{"instances":[', "]}"), ('{"inputs":{"carrier":[', "]}}")):
            yield f"{before}{unit:.10}", f"{before}{filled}{after}".encode()
    many = [f"{number:x}" for number in range(BYTES // 8)]
    yield "keys", json.dumps({"instances": [dict.fromkeys(many, 0)]}).encode()
    yield "outer keys", json.dumps(dict.fromkeys(many, 0)).encode()
    yield "long text", json.dumps({"instances": [ROW | {"carrier": "a" * BYTES + "😀"}]}, ensure_ascii=False).encode()
    yield "rows", json.dumps({"instances": [ROW] * (BYTES // 80)}).encode()
    yield "columns", json.dumps({"inputs": {name: [value] * (BYTES // 30) for name, value in ROW.items()}}).encode()


def _peak(inference: Inference, body: bytes) -> int:
    charge = MemoryBudget(Limits()).open()
    request = InferenceRequest(ParsedPath("delay", verb="predict"), body, "", charge)
    tracemalloc.start()
    try:
        inference.answer(request)
    except RequestError as error:
        assert error.status in {400, 413}
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    return peak


@pytest.mark.parametrize(("body"), [pytest.param(body, id=name) for name, body in hostile()])
def test_no_body_takes_more_memory_than_it_is_charged_with(served: InProcessServer, body: bytes) -> None:
    """Counted by Python's allocator, from the body to the answer."""
    limits = Limits()
    inference = Inference(served.manager, limits, Metrics())
    # The allocator counts what other threads of this process take meanwhile, too: one of a few is the body's alone.
    within = any(_peak(inference, body) / len(body) < limits.expansion for _ in range(3))
    assert within, "raise Limits.expansion, or hold less"


def test_a_body_that_does_not_fit_is_answered_503_and_a_later_one_200(served: InProcessServer) -> None:
    app = ServingApp(served.manager, Metrics(), Limits(body_bytes=1000, memory_bytes=64_000))
    client = TestClient(app.asgi)
    plain: dict[str, Any] = {"json": {"instances": [ROW]}}
    packed = {"content": gzip.compress(json.dumps(plain["json"]).encode()), "headers": {"content-encoding": "gzip"}}
    for sent in (plain, packed):
        with app.budget.charge() as others:
            others.hold(63_000)
            response = client.post("/v1/models/delay:predict", **sent)
        assert (response.status_code, response.headers["retry-after"]) == (503, "1")
        assert client.post("/v1/models/delay:predict", **sent).status_code == 200
