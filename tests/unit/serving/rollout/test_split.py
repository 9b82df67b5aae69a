"""One key, one version: in every worker, after a restart, and with a rising share only ever from champion to canary."""

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.backends.canary import Canary, CanaryPlan
from core.backends.pointer import Pointer
from serving.rollout.counted import score_of
from serving.rollout.keys import key_of_body, key_of_headers
from serving.versions.split import Split

POINTER = Pointer(2, f"sha256:{'2' * 64}")


def split(percent: float, start: int = 1, key: str = "header:X-User") -> Split:
    plan = CanaryPlan(steps=(percent,), key=key)
    running = Canary(POINTER, f"1@sha256:{'1' * 64}", plan, start, start, percent, "2013-10-01", passed=False)
    return Split.of("m", running)


@given(st.binary(), st.floats(0, 99.9), st.floats(0, 99.9))
def test_a_key_keeps_its_side_and_a_higher_share_moves_keys_one_way(key: bytes, one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert split(low).takes(key) == split(low).takes(key)
    assert not (split(low).takes(key) and not split(high).takes(key))


@pytest.mark.parametrize("percent", [5.0, 50.0])
def test_the_share_is_what_was_asked_for_also_of_keys_without_chance(percent: float) -> None:
    keys = [f"user-{number}".encode() for number in range(20_000)]
    taken = sum(split(percent).takes(key) for key in keys) / len(keys) * 100
    assert taken == pytest.approx(percent, abs=1.5)
    by_chance = sum(split(percent).takes(None) for _ in keys) / len(keys) * 100
    assert by_chance == pytest.approx(percent, abs=3)


def test_another_canary_takes_other_keys_and_a_shadow_none() -> None:
    keys = [f"user-{number}".encode() for number in range(1000)]
    one, other = ({key for key in keys if split(10, start).takes(key)} for start in (1, 2))
    assert one and other and len(one & other) < len(one)
    assert not any(split(0).takes(key) for key in [*keys, None])


def test_a_header_is_the_key_whatever_its_case() -> None:
    headers = [(b"accept", b"*/*"), (b"X-USER", b"me")]
    assert key_of_headers(split(5), headers).key == b"me"
    assert key_of_headers(split(5), [("x-user", "me")]).key == b"me"
    assert key_of_headers(split(5), []).key is None


@pytest.mark.parametrize(
    "body",
    [
        {"instances": [{"tail": "N1", "x": 1}, {"tail": "N1"}]},
        {"inputs": {"tail": ["N1", "N1"], "x": [1, 2]}},
        {"inputs": {"tail": [["N1"]]}},
        {"examples": [{"x": 1}], "context": {"tail": "N1"}},
        {"inputs": [{"name": "tail", "shape": [2], "datatype": "BYTES", "data": ["N1", "N1"]}]},
    ],
)
def test_a_column_is_the_key_in_every_form_of_a_request(body: Any) -> None:
    keyed = key_of_body(split(5, key="column:tail"), [], json.dumps(body).encode())
    assert (keyed.key, keyed.is_mixed) == (b"N1", False)


@pytest.mark.parametrize("values", [[5, 5.0], [[5], 5]])
def test_numbers_that_are_equal_are_one_key(values: Sequence[Any]) -> None:
    body = json.dumps({"instances": [{"id": value} for value in values]}).encode()
    assert key_of_body(split(5, key="column:id"), [], body).key == b"5"


def test_rows_of_several_keys_are_not_split_and_what_is_no_request_has_no_key() -> None:
    by_column = split(5, key="column:id")
    assert key_of_body(by_column, [], b'{"instances": [{"id": 1}, {"id": 2}]}').is_mixed
    for body in (b"", b"[]", b'{"instances": 3}', b'{"instances": [{"other": 1}]}', b"\xff", b"null"):
        keyed = key_of_body(by_column, [], body)
        assert (keyed.key, keyed.is_mixed) == (None, False), body


@pytest.mark.parametrize(
    ("outputs", "score"),
    [
        ({"predictions": [[0.25], [0.75]]}, 0.25),
        ({"outputs": [3, 4]}, 3.0),
        ({"scores": [[0.0, 0.5, 0.5]], "classes": [["a", "b", "c"]]}, 1.5),
        ({"word": [b"text"]}, None),
        ({}, None),
    ],
)
def test_the_score_is_one_number_of_the_first_row(outputs: dict[str, Any], score: float | None) -> None:
    assert score_of(outputs) == score
