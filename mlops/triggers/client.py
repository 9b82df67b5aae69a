"""Sends a fact to a handler elsewhere."""

import json
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any

from core.errors import MlopsError, UsageError
from mlops.triggers.sender import signed

_SECONDS = 30.0


def post(event: Mapping[str, Any], url: str, secret: bytes | None) -> dict[str, Any]:
    """Send a structured CloudEvent, signed where there is a secret, and return the handler's answer.

    Raises UsageError for what the handler refuses, MlopsError when it cannot be reached or could not keep the event.
    """
    if not url.startswith(("http://", "https://")):
        raise UsageError(f"--to: wanted an address such as http://127.0.0.1:8502/, got {url!r}")
    body = json.dumps(event).encode()
    headers = {"content-type": "application/cloudevents+json"}
    headers |= signed(secret, str(event.get("id", "")), body, time.time()) if secret else {}
    request = urllib.request.Request(url, body, headers)  # noqa: S310 - http or https, checked above
    try:
        with urllib.request.urlopen(request, timeout=_SECONDS) as answer:  # noqa: S310 - the handler's own address, checked before
            answered: dict[str, Any] = json.load(answer)
            return answered
    except urllib.error.HTTPError as error:
        said = error.read(2_000).decode(errors="replace")
        kind = UsageError if error.code < 500 else MlopsError
        raise kind(f"{url}: the handler answered {error.code}: {said}") from None
    except (OSError, ValueError) as error:
        raise MlopsError(f"{url}: wanted a handler's answer, got {error}; is `mlops trigger serve` up?") from None
