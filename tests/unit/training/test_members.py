"""TF_CONFIG says which process of a training this one is, as the Training Operator and Vertex AI write it."""

import json
from typing import Any

import pytest

from core.errors import TrainingError
from training.distributed.members import Member, member_of


def _found(cluster: dict[str, Any], kind: str = "worker", index: int = 0) -> Member | None:
    return member_of({"TF_CONFIG": json.dumps({"cluster": cluster, "task": {"type": kind, "index": index}})})


def test_the_chief_comes_first_then_the_workers() -> None:
    cluster = {"worker": ["b:1", "c:1"], "chief": ["a:1"]}
    assert _found(cluster, "chief") == Member(0, 3)
    assert [_found(cluster, "worker", index) for index in range(2)] == [Member(1, 3), Member(2, 3)]
    alone = _found({"worker": ["a:1", "b:1"]})
    assert alone is not None
    assert alone.is_chief


def test_one_process_is_no_group() -> None:
    assert member_of({}) is None
    assert member_of({"TF_CONFIG": ""}) is None
    assert _found({"chief": ["127.0.0.1:2222"]}, "chief") is None, "Vertex AI sets it for every step"


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        '{"cluster": []}',
        '{"cluster": {"worker": 3}}',
        '{"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "worker", "index": 2}}',
        '{"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "worker", "index": "x"}}',
        '{"cluster": {"worker": ["a:1", "b:1"]}}',
        '{"cluster": {"worker": ["a:1"], "ps": ["b:1"]}, "task": {"type": "worker", "index": 0}}',
    ],
)
def test_what_does_not_name_this_process_is_an_error_with_the_variable(text: str) -> None:
    with pytest.raises(TrainingError, match="TF_CONFIG: wanted"):
        member_of({"TF_CONFIG": text})
