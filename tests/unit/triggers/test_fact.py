"""An event is either understood or refused by name of the attribute, whatever a stranger sends."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops.triggers.envelope import event_in
from mlops.triggers.fact import MAX_BYTES, EventError, event_of, fact_of, loads

NOW = 1_700_000_000.0
EVENT = event_of("new_data", "flights", source="/data/flights", id_="span-5", now=NOW)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def test_a_structured_event_is_a_fact() -> None:
    fact = fact_of(EVENT, NOW)
    assert (fact.key, fact.cause, fact.usecase, fact.time) == ("/data/flights#span-5", "new_data", "flights", NOW)


def test_a_slot_names_its_schedule() -> None:
    fact = fact_of({**EVENT, "type": "mlops.fact.schedule", "subject": "flights/retrain"}, NOW)
    assert (fact.usecase, fact.schedule) == ("flights", "retrain")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"specversion": "0.3"}, "specversion: wanted '1.0', got '0.3'"),
        ({"specversion": None}, "specversion: wanted '1.0', got None"),
        ({"type": "mlops.fact.new_dat"}, "did you mean 'mlops.fact.new_data'"),
        ({"type": 5}, "type: wanted 1 to 512 printable characters, got 5"),
        ({"id": ""}, "id: wanted 1 to 512 printable characters, got ''"),
        ({"id": "a\nb"}, "id: wanted 1 to 512 printable characters"),
        ({"id": "x" * 513}, "id: wanted 1 to 512 printable characters"),
        ({"source": None}, "source: wanted"),
        ({"subject": "../etc"}, "subject: wanted a use case's name"),
        ({"subject": "flights/retrain"}, "subject: wanted a use case's name alone"),
        ({"type": "mlops.fact.schedule"}, "subject: wanted usecase/schedule"),
        ({"time": "soon"}, "time: wanted a time such as"),
        ({"time": 17}, "time: wanted a time such as"),
        ({"time": "2023-11-14T22:13:20"}, "time: wanted a time zone"),
        ({"time": "2023-11-14T23:13:20Z"}, "time: wanted a time that has passed"),
    ],
)
def test_what_is_wrong_is_named(change: dict[str, Any], message: str) -> None:
    with pytest.raises(EventError) as error:
        fact_of({**EVENT, **change}, NOW)
    assert message in str(error.value)


@pytest.mark.parametrize("missing", ["specversion", "type", "source", "id", "subject"])
def test_what_is_missing_is_named(missing: str) -> None:
    with pytest.raises(EventError, match=missing):
        fact_of({name: value for name, value in EVENT.items() if name != missing}, NOW)


def test_an_event_without_a_time_happened_when_it_arrived() -> None:
    assert fact_of({name: value for name, value in EVENT.items() if name != "time"}, NOW).time == NOW


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(EVENT, JSON)) | JSON)
def test_a_stranger_gets_an_error_that_is_meant_for_people(event: Any) -> None:
    if isinstance(event, dict):
        event = {**EVENT, **event}
    try:
        fact_of(event, NOW)
    except EventError as error:
        assert len(str(error)) < 700


@given(st.binary(max_size=200), st.dictionaries(st.sampled_from(["ce-specversion", "ce-id", "ce-time"]), st.text()))
def test_any_request_is_an_event_or_an_error_that_is_meant_for_people(body: bytes, headers: dict[str, str]) -> None:
    try:
        event_in(headers, body)
    except EventError as error:
        assert len(str(error)) < 700


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"[" * 60_000, "nested too deeply"),
        (b"{" + b" " * MAX_BYTES, f"at most {MAX_BYTES} bytes"),
        (b'{"specversion": NaN}', "NaN, which JSON does not have"),
        (b"\xff", "wanted an event as JSON"),
        (b"", "wanted an event as JSON"),
    ],
)
def test_what_is_no_json_is_refused(body: bytes, message: str) -> None:
    with pytest.raises(EventError, match=message):
        loads(body)


def test_a_binary_event_is_the_same_event() -> None:
    headers = {f"ce-{name}": value for name, value in EVENT.items()} | {"content-type": "application/json"}
    assert event_in(headers, b"") == EVENT


def test_a_batch_is_refused() -> None:
    with pytest.raises(EventError, match="one event a request"):
        event_in({"content-type": "application/cloudevents-batch+json"}, b"[]")


def test_a_message_that_pubsub_pushes_holds_an_event(encoded: Any) -> None:
    without_id = {name: value for name, value in EVENT.items() if name != "id"}
    assert event_in({}, encoded(EVENT, {})) == EVENT
    assert event_in({}, encoded(without_id, {})) == {**without_id, "id": "pubsub/17"}


def test_a_notification_of_an_object_store_is_new_data_once(encoded: Any) -> None:
    attributes = {
        "eventType": "OBJECT_FINALIZE",
        "bucketId": "bucket",
        "objectId": "ml/data/flights/span-5/flights.parquet",
        "objectGeneration": "3",
    }
    event = event_in({}, encoded({}, attributes))
    assert event is not None
    fact = fact_of(event, NOW)
    assert (fact.cause, fact.usecase) == ("new_data", "flights")
    assert fact.id == "bucket/ml/data/flights/span-5/flights.parquet#3"
    assert event_in({}, encoded({}, {**attributes, "eventType": "OBJECT_DELETE"})) is None
    with pytest.raises(EventError, match="objectId: wanted an object below data/<usecase>/"):
        event_in({}, encoded({}, {**attributes, "objectId": "models/flights/1/saved_model.pb"}))


@pytest.fixture
def encoded() -> Any:
    import base64

    def encode(event: Any, attributes: dict[str, str]) -> bytes:
        data = base64.b64encode(json.dumps(event).encode()).decode()
        return json.dumps({"message": {"data": data, "attributes": attributes, "messageId": "17"}}).encode()

    return encode
