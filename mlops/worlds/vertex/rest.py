"""Calls to Google's services as JSON over HTTP, where no client is installed or a client would change what is sent."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from mlops.worlds.vertex.api import ANSWER_SECONDS, credentials, explained, patience
from mlops.worlds.vertex.deployment import Deployment


@dataclass(frozen=True)
class Rest:
    """One deployment's services."""

    deployment: Deployment

    def ask(self, method: str, service: str, path: str, body: Any = None) -> dict[str, Any]:
        """Return the JSON that a service such as `monitoring` answers, asked once; MlopsError for an error."""
        with explained(self.deployment):
            return self._once(method, f"{self._base(service)}{path}", body)

    def read(self, service: str, path: str) -> dict[str, Any]:
        """Return what a service answers to a GET, which is repeated while it is busy; MlopsError for an error."""
        url = f"{self._base(service)}{path}"
        with explained(self.deployment):
            found: dict[str, Any] = patience()["retry"](self._once)("GET", url)
        return found

    def send(self, url: str, body: Any) -> tuple[int, Any]:
        """POST JSON to an address once; return status and JSON, or the text where the answer is none."""
        with explained(self.deployment):
            answer = self._session.request("POST", url, json=body, timeout=ANSWER_SECONDS)
            try:
                return answer.status_code, answer.json()
            except ValueError:
                return answer.status_code, answer.text

    def _base(self, service: str) -> str:
        if self.deployment.is_stand_in or service == "aiplatform":
            return self.deployment.endpoint
        return f"https://{service}.googleapis.com"

    def _once(self, method: str, url: str, body: Any = None) -> dict[str, Any]:
        from google.api_core.exceptions import from_http_response  # noqa: PLC0415 - seconds that only this world pays

        answer = self._session.request(method, url, json=body, timeout=ANSWER_SECONDS)
        if answer.status_code >= 400:
            raise from_http_response(answer)
        found: dict[str, Any] = answer.json()
        return found

    @cached_property
    def _session(self) -> Any:
        from google.auth.transport.requests import AuthorizedSession  # noqa: PLC0415 - as above

        return AuthorizedSession(credentials(self.deployment))
