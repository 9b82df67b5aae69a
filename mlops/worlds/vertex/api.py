"""The calls to Vertex AI: retried while the service is busy or away, with errors that say what to do."""

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from core.errors import MlopsError
from mlops.worlds.vertex.deployment import Deployment

ANSWER_SECONDS = 60.0
"""How long the service may take to answer a request."""
PATIENCE_SECONDS = 180.0
"""How long a request is tried again; its quota of submissions is per minute."""
# About the end of Python 3.11, at every import of Google's clients, which all come later.
warnings.filterwarnings("ignore", category=FutureWarning, module=r"google\.")
FIRST_PAUSE = 1.0
"""Seconds until the first repetition; later ones wait up to twice as long each."""


@dataclass(frozen=True)
class Api:
    """The interface of one deployment; it connects when it is first used. All methods raise MlopsError."""

    deployment: Deployment

    def create_job(self, job: Mapping[str, Any], identity: str) -> bool:
        """Create a pipeline job; False when there is one of that id, also if an answer to this call was lost."""
        from google.api_core.exceptions import Conflict  # noqa: PLC0415 - seconds that only this world pays

        request = {"parent": self.deployment.parent, "pipeline_job_id": identity, "pipeline_job": _job(job)}
        with explained(self.deployment):
            try:
                self._pipelines.create_pipeline_job(request=request, **patience())
            except Conflict:
                return False
        return True

    def job(self, identity: str) -> Any:
        """Return a pipeline job."""
        with explained(self.deployment):
            return self._pipelines.get_pipeline_job(name=self.job_name(identity), **patience())

    def cancel_job(self, identity: str) -> None:
        """Ask for the cancellation of a pipeline job."""
        with explained(self.deployment):
            self._pipelines.cancel_pipeline_job(name=self.job_name(identity), **patience())

    def job_name(self, identity: str) -> str:
        """Return the full name of a job."""
        return f"{self.deployment.parent}/pipelineJobs/{identity}"

    @cached_property
    def _pipelines(self) -> Any:
        from google.cloud.aiplatform_v1 import PipelineServiceClient  # noqa: PLC0415 - as above

        return PipelineServiceClient(**connection(self.deployment))


def connection(deployment: Deployment) -> dict[str, Any]:
    """Return the arguments of a client that talks to the deployment's interface."""
    with explained(deployment):
        return {
            "transport": "rest",
            "client_options": {"api_endpoint": deployment.endpoint},
            "credentials": credentials(deployment),
        }


def credentials(deployment: Deployment) -> Any:
    """Return application default credentials; anonymous ones for a stand-in."""
    import google.auth  # noqa: PLC0415 - as above
    from google.auth.credentials import AnonymousCredentials  # noqa: PLC0415

    if deployment.is_stand_in:
        return AnonymousCredentials()
    return google.auth.default(scopes=["https://www.googleapis.com/auth/cloud-platform"])[0]


@contextmanager
def explained(deployment: Deployment) -> Iterator[None]:
    """Turn the errors of Google's clients into an MlopsError with the address, the answer and the next step."""
    from google.api_core.exceptions import Forbidden, GoogleAPICallError, RetryError, TooManyRequests  # noqa: PLC0415
    from google.auth.exceptions import GoogleAuthError, TransportError  # noqa: PLC0415
    from requests import RequestException  # noqa: PLC0415

    where = deployment.endpoint
    try:
        yield
    except RetryError as error:
        raise MlopsError(f"{where}: no answer within {PATIENCE_SECONDS:g} s; the last was: {error.cause}") from error
    except TooManyRequests as error:
        raise MlopsError(f"{where}: the quota is used up ({error.message}); wait a minute, or ask for more") from error
    except Forbidden as error:
        raise MlopsError(f"{where}: refused: {error.message}; see mlops doctor --at vertex") from error
    except GoogleAPICallError as error:
        raise MlopsError(f"{where}: Vertex AI answered {error.code}: {error.message}") from error
    except (TransportError, RequestException) as error:
        raise MlopsError(f"{where}: Vertex AI does not answer ({type(error).__name__})") from error
    except GoogleAuthError as error:
        raise MlopsError(f"no credentials for {where} ({error}); run: gcloud auth application-default login") from error


def _job(job: Mapping[str, Any]) -> Any:
    from google.cloud.aiplatform_v1.types import PipelineJob  # noqa: PLC0415 - as above
    from google.protobuf import json_format  # noqa: PLC0415

    message = PipelineJob()
    json_format.ParseDict(dict(job), PipelineJob.pb(message))
    return message


def transient() -> tuple[type[Exception], ...]:
    """Return the errors of a service that is busy or away; after most of them it may have done what it was asked."""
    from google.api_core import exceptions  # noqa: PLC0415 - as above
    from requests import ConnectionError as NoConnection  # noqa: PLC0415
    from requests import Timeout  # noqa: PLC0415
    from requests.exceptions import ChunkedEncodingError  # noqa: PLC0415

    return (
        exceptions.TooManyRequests,
        exceptions.InternalServerError,
        exceptions.BadGateway,
        exceptions.ServiceUnavailable,
        exceptions.GatewayTimeout,
        NoConnection,
        Timeout,
        ChunkedEncodingError,
    )


def patience() -> dict[str, Any]:
    """Return how a call is tried again while the service is busy or away, as keyword arguments."""
    from google.api_core import retry  # noqa: PLC0415 - as above

    repeated = retry.Retry(
        predicate=retry.if_exception_type(*transient()),
        initial=FIRST_PAUSE,
        maximum=20.0,
        multiplier=2.0,
        timeout=PATIENCE_SECONDS,
    )
    return {"retry": repeated, "timeout": ANSWER_SECONDS}
