"""kfp's own client, with errors that name the deployment and its answer."""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from typing import TYPE_CHECKING

from core.errors import MlopsError

if TYPE_CHECKING:
    from kfp import Client


@contextmanager
def explained(api: str) -> Iterator[None]:
    """Turn the errors of kfp's client into an MlopsError with the address and the answer."""
    import kfp_server_api  # noqa: PLC0415
    import urllib3  # noqa: PLC0415

    try:
        with redirect_stdout(io.StringIO()), warnings.catch_warnings(action="ignore"):  # it greets, and prints links
            yield
    except kfp_server_api.ApiException as error:
        raise MlopsError(
            f"{api}: Kubeflow Pipelines answered {error.status} {error.reason}: {str(error.body)[:500]}"
        ) from error
    except urllib3.exceptions.HTTPError as error:
        raise MlopsError(
            f"{api}: Kubeflow Pipelines does not answer ({error}); see whether it runs with: mlops cluster status"
        ) from error


def open_client(api: str) -> "Client":
    """Connect kfp's own client; MlopsError when nothing answers at the address."""
    from kfp import Client  # noqa: PLC0415 - two seconds that only a submission pays

    with explained(api):
        return Client(host=api)
