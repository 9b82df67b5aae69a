"""The forms in which an event arrives by HTTP: structured, binary, or pushed by Google Cloud Pub/Sub."""

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from mlops.triggers.fact import TYPE, EventError, loads

_OBJECT = re.compile(r"(?:.*/)?data/(?P<usecase>[a-z][a-z0-9_]{0,40})/.+")


def event_in(headers: Mapping[str, str], body: bytes) -> dict[str, Any] | None:
    """Return the structured CloudEvent in a request, or None for a message that is no fact, such as a deletion.

    `headers` have lower-case names. Raises EventError for anything else.
    """
    if "ce-specversion" in headers:
        return _binary({name.removeprefix("ce-"): unquote(value) for name, value in headers.items()}, headers, body)
    content_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type == "application/cloudevents-batch+json":
        raise EventError("content-type: wanted one event a request, got a batch")
    value = loads(body)
    if isinstance(value, dict) and "specversion" not in value and isinstance(value.get("message"), dict):
        return _pushed(value["message"])
    if not isinstance(value, dict):
        raise EventError(f"wanted a CloudEvent (a JSON object), got {value!r:.80}")
    return value


def _binary(attributes: Mapping[str, str], headers: Mapping[str, str], body: bytes) -> dict[str, Any]:
    known = ("specversion", "type", "source", "id", "subject", "time")
    event: dict[str, Any] = {name: attributes[name] for name in known if f"ce-{name}" in headers}
    if body:
        event["data"] = loads(body)
    return event


def _pushed(message: Mapping[str, Any]) -> dict[str, Any] | None:
    """The event in a message that Pub/Sub pushes; its id is the message's where the sender gave none."""
    attributes = message.get("attributes") or {}
    if not isinstance(attributes, dict):
        raise EventError(f"message.attributes: wanted an object, got {attributes!r:.80}")
    if "eventType" in attributes:
        return _stored(attributes)
    try:
        data = base64.b64decode(message.get("data") or "", validate=True)
    except (TypeError, ValueError, binascii.Error):
        raise EventError("message.data: wanted base64") from None
    event = loads(data)
    if not isinstance(event, dict):
        raise EventError(f"message.data: wanted a CloudEvent (a JSON object), got {event!r:.80}")
    return event if "id" in event else {**event, "id": f"pubsub/{message.get('messageId', '')}"}


def _stored(attributes: Mapping[str, Any]) -> dict[str, Any] | None:
    """The event in a notification of Cloud Storage; see https://cloud.google.com/storage/docs/pubsub-notifications."""
    if attributes["eventType"] != "OBJECT_FINALIZE":
        return None
    bucket, name, generation = (str(attributes.get(key, "")) for key in ("bucketId", "objectId", "objectGeneration"))
    place = _OBJECT.fullmatch(name)
    if place is None:
        raise EventError(f"message.attributes.objectId: wanted an object below data/<usecase>/, got {name!r:.120}")
    return {
        "specversion": "1.0",
        "type": f"{TYPE}new_data",
        "source": f"//storage.googleapis.com/{bucket}",
        "id": f"{bucket}/{name}#{generation}",
        "subject": place["usecase"],
    }
