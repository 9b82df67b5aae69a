"""The calls to Vertex AI's Model Registry."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from core.errors import MlopsError
from mlops.worlds.vertex.api import ANSWER_SECONDS, connection, explained, patience, transient
from mlops.worlds.vertex.deployment import Deployment
from mlops.worlds.vertex.operations import Operations, Progress
from mlops.worlds.vertex.rest import Rest

UPLOAD_SECONDS = 1800.0
"""How long an upload may take, in which the service copies the artifact folder and the image."""


class Unclear(MlopsError):
    """A call that may have been done all the same: look, and only then repeat it."""


@dataclass(frozen=True)
class ModelsApi:
    """The models of one deployment; all methods raise MlopsError."""

    deployment: Deployment

    def versions(self, identity: str) -> list[Any]:
        """Return the versions of a model; none where there is no such model."""
        from google.api_core.exceptions import NotFound  # noqa: PLC0415 - seconds that only this world pays

        with explained(self.deployment):
            try:
                return list(self._models.list_model_versions(request={"name": self.name(identity)}, **patience()))
            except NotFound:
                return []

    def upload(self, request: Mapping[str, Any], progress: Progress) -> None:
        """Upload a version and wait until it is there.

        Raises Unclear when the service may have begun it, or another process has just made the model.
        """
        from google.api_core.exceptions import Conflict  # noqa: PLC0415 - as above
        from google.cloud.aiplatform_v1.types import UploadModelRequest  # noqa: PLC0415
        from google.protobuf import json_format  # noqa: PLC0415

        message = UploadModelRequest()
        json_format.ParseDict({"parent": self.deployment.parent, **request}, UploadModelRequest.pb(message))
        what = f"upload of {request['model']['displayName']}"
        with explained(self.deployment):
            try:
                begun = self._models.upload_model(request=message, retry=None, timeout=ANSWER_SECONDS)
            except (Conflict, *transient()) as error:
                raise Unclear(f"{what}: {error}") from error
        Operations(Rest(self.deployment)).wait(begun.operation.name, what, UPLOAD_SECONDS, progress)

    def merge_aliases(self, version: str, aliases: Sequence[str]) -> None:
        """Give aliases to a version, by its full name; one that begins with - is removed."""
        with explained(self.deployment):
            self._models.merge_version_aliases(name=version, version_aliases=list(aliases), **patience())

    def name(self, identity: str) -> str:
        """Return the full name of a model."""
        return f"{self.deployment.parent}/models/{identity}"

    @cached_property
    def _models(self) -> Any:
        from google.cloud.aiplatform_v1 import ModelServiceClient  # noqa: PLC0415 - as above

        return ModelServiceClient(**connection(self.deployment))
