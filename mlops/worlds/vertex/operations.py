"""Long-running operations of Vertex AI: waited for, also those that another process began."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from core.errors import MlopsError
from mlops.worlds.vertex.rest import Rest

PAUSE = 10.0
"""Seconds between two looks at an operation."""
Progress = Callable[[str], None]
"""Called with one line about what happens."""


@dataclass(frozen=True)
class Operations:
    """The operations of one deployment."""

    rest: Rest

    def wait(self, name: str, what: str, seconds: float, progress: Progress) -> dict[str, Any]:
        """Wait until an operation has ended and return its response.

        Raises MlopsError with the service's reason when it failed, and after `seconds`: it goes on then, and the same
        command waits for it again.
        """
        began = time.monotonic()
        noted = began
        while True:
            found = self.rest.read("aiplatform", f"/v1/{name}")
            if found.get("done"):
                return _response(found, what)
            now = time.monotonic()
            if now - began > seconds:
                raise MlopsError(
                    f"{what}: not done after {seconds:g} s; it goes on at Vertex AI, and the same command waits for it"
                )
            if now - noted > 60:
                progress(f"{what}: {(now - began) / 60:.0f} minutes")
                noted = now
            time.sleep(PAUSE)

    def settle(self, resource: str, seconds: float, progress: Progress) -> None:
        """Wait for what somebody began at a resource, such as this command before it was killed; failures count not."""
        for one in self.rest.read("aiplatform", f"/v1/{resource}/operations").get("operations", []):
            if one.get("done"):
                continue
            progress(f"waiting for the operation {one['name'].rpartition('/')[2]}, which runs already")
            try:
                self.wait(one["name"], "the operation that ran already", seconds, progress)
            except OperationFailed as error:
                progress(str(error))


class OperationFailed(MlopsError):
    """An operation ended with an error."""


def _response(operation: dict[str, Any], what: str) -> dict[str, Any]:
    if error := operation.get("error"):
        raise OperationFailed(f"{what}: Vertex AI failed: {error.get('message', error)}")
    response: dict[str, Any] = operation.get("response", {})
    return response
