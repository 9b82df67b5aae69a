"""The calls to an endpoint of Vertex AI: its deployed models, its traffic, and its predictions."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from core.errors import MlopsError
from mlops.worlds.vertex.api import ANSWER_SECONDS, connection, explained, patience, transient
from mlops.worlds.vertex.deployment import Deployment
from mlops.worlds.vertex.models_api import Unclear
from mlops.worlds.vertex.operations import Operations, Progress
from mlops.worlds.vertex.rest import Rest

DEPLOY_SECONDS = 3600.0
"""How long a deployment may take: machines are started, and the model is loaded."""


class Changed(MlopsError):
    """The endpoint is another one than it was when it was read."""


@dataclass(frozen=True)
class EndpointsApi:
    """One endpoint, by its resource name; all methods raise MlopsError."""

    deployment: Deployment
    name: str

    def read(self) -> Any:
        """Return the endpoint."""
        with explained(self.deployment):
            return self._endpoints.get_endpoint(name=self.name, **patience())

    def split(self, traffic: Mapping[str, int], etag: str) -> None:
        """Set the percent of the traffic by deployed model; Changed when the endpoint is not as its etag says.

        Repeated while the service is busy: the etag lets it happen once.
        """
        from google.api_core import exceptions  # noqa: PLC0415 - seconds that only this world pays
        from google.cloud.aiplatform_v1.types import Endpoint  # noqa: PLC0415

        endpoint = Endpoint(name=self.name, traffic_split=dict(traffic), etag=etag)
        with explained(self.deployment):
            try:
                self._endpoints.update_endpoint(
                    endpoint=endpoint, update_mask={"paths": ["traffic_split"]}, **patience()
                )
            except (exceptions.Conflict, exceptions.PreconditionFailed, exceptions.FailedPrecondition) as error:
                raise Changed(f"{self.name}: {error.message}") from error

    def deploy(self, deployed: Mapping[str, Any], progress: Progress) -> None:
        """Deploy a model without traffic, and wait until its replicas are healthy.

        Raises Unclear when it may have begun all the same, or another operation runs.
        """
        from google.cloud.aiplatform_v1.types import DeployModelRequest  # noqa: PLC0415 - as above
        from google.protobuf import json_format  # noqa: PLC0415

        message = DeployModelRequest()
        request = {"endpoint": self.name, "deployedModel": dict(deployed)}
        json_format.ParseDict(request, DeployModelRequest.pb(message))
        self._run(lambda: self._endpoints.deploy_model(request=message, **_once()), "deployment", progress)

    def undeploy(self, identity: str, progress: Progress) -> None:
        """Remove a deployed model, which the service refuses while it has traffic; Unclear as `deploy`."""
        request = {"endpoint": self.name, "deployed_model_id": identity}
        self._run(lambda: self._endpoints.undeploy_model(request=request, **_once()), "removal", progress)

    def settle(self, progress: Progress) -> None:
        """Wait for what runs at the endpoint already."""
        self._operations.settle(self.name, DEPLOY_SECONDS, progress)

    def predict(self, endpoint: Any, instances: list[Any]) -> tuple[int, Any]:
        """Ask the endpoint, as `read` returned it; return the status, and the answer as JSON.

        A dedicated endpoint is asked at its own address, since it answers at no other.
        """
        base = self.deployment.endpoint
        if endpoint.dedicated_endpoint_dns and not self.deployment.is_stand_in:
            base = f"https://{endpoint.dedicated_endpoint_dns.removeprefix('https://')}"
        return self._rest.send(f"{base}/v1/{self.name}:predict", {"instances": instances})

    def _run(self, begin: Any, what: str, progress: Progress) -> None:
        from google.api_core.exceptions import Conflict, FailedPrecondition  # noqa: PLC0415 - as above

        with explained(self.deployment):
            try:
                begun = begin()
            except (Conflict, FailedPrecondition, *transient()) as error:
                raise Unclear(f"{what} at {self.name}: {error}") from error
        self._operations.wait(begun.operation.name, what, DEPLOY_SECONDS, progress)

    @cached_property
    def _endpoints(self) -> Any:
        from google.cloud.aiplatform_v1 import EndpointServiceClient  # noqa: PLC0415 - as above

        return EndpointServiceClient(**connection(self.deployment))

    @cached_property
    def _rest(self) -> Rest:
        return Rest(self.deployment)

    @property
    def _operations(self) -> Operations:
        return Operations(self._rest)


def _once() -> dict[str, Any]:
    return {"retry": None, "timeout": ANSWER_SECONDS}
