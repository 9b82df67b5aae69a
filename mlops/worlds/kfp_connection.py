"""Reaches one deployment of Kubeflow Pipelines: the local cluster through kubectl, or at addresses that are given."""

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from core import objects
from core.errors import UsageError
from mlops.cluster.access import reach
from mlops.cluster.site import KFP_NAMESPACE


@dataclass(frozen=True)
class Connection:
    """Where the parts of a deployment answer, as seen from here."""

    api: str
    """Address of the pipelines' API, such as `http://127.0.0.1:40001`."""
    metadata: str
    """`host:port` of the metadata service; empty where it cannot be reached; single tasks are not known then."""
    objects: str
    """Where data and models lie, as the steps see it, such as `s3://mlpipeline/ml-in-production`."""
    local: bool
    """Whether kubectl reaches the pods, for their states and logs."""


@contextmanager
def connected(endpoint: str, environment: Mapping[str, str]) -> Iterator[Connection]:
    """Connect to the API at `endpoint`, or to the local cluster where that is empty.

    While connected, this process's own environment names the store and its keys, so that every address means the same
    here as in a step. Raises UsageError when an endpoint is given and the store is not, MlopsError when the local
    cluster cannot be reached.
    """
    with ExitStack() as stack:
        if endpoint:
            place = environment.get("MLOPS_STORE", "")
            if not place:
                raise UsageError(
                    f"{endpoint}: wanted MLOPS_STORE too, such as s3://bucket/folder: "
                    "data and models of that deployment lie there"
                )
            yield Connection(
                endpoint.rstrip("/"), environment.get("MLOPS_KFP_METADATA", ""), objects.checked(place), local=False
            )
            return
        api = stack.enter_context(reach.forwarded("ml-pipeline", KFP_NAMESPACE, 8888))
        metadata = stack.enter_context(reach.forwarded("metadata-grpc-service", KFP_NAMESPACE, 8080))
        variables = stack.enter_context(store_variables())
        yield Connection(api, metadata.removeprefix("http://"), variables["MLOPS_STORE"], local=True)


@contextmanager
def store_variables() -> Iterator[Mapping[str, str]]:
    """Reach the local cluster's object store, with its keys in this process's environment while the block runs."""
    with (
        reach.store_variables() as variables,
        _environment({name: value for name, value in variables.items() if name.startswith("AWS_")}),
    ):
        yield variables


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
