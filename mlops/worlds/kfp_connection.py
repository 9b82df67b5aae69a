"""Connects to one deployment of Kubeflow Pipelines: the local cluster through kubectl, or the addresses given."""

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
    """The addresses of a deployment, as seen from this machine."""

    api: str
    """Address of the pipelines' API, such as `http://127.0.0.1:40001`."""
    metadata: str
    """`host:port` of the metadata service; when empty, the states of single tasks are not known."""
    objects: str
    """Address of data and models, as the steps see it, such as `s3://mlpipeline/ml-in-production`."""
    local: bool
    """Whether it is the local cluster, so that kubectl reads states and logs of pods."""


@contextmanager
def connected(endpoint: str, environment: Mapping[str, str]) -> Iterator[Connection]:
    """Connect to the API at `endpoint`, or to the local cluster where that is empty, while the block runs.

    With the local cluster, the store's address and keys are set in this process's environment, so that an `s3://`
    address means the same here as in a step. Raises UsageError for an endpoint without MLOPS_STORE, MlopsError when
    the local cluster cannot be reached.
    """
    with ExitStack() as stack:
        if endpoint:
            store = environment.get("MLOPS_STORE", "")
            if not store:
                raise UsageError(
                    f"{endpoint}: set MLOPS_STORE too, such as s3://bucket/folder: "
                    "the object store with the data and models of that deployment"
                )
            yield Connection(
                endpoint.rstrip("/"), environment.get("MLOPS_KFP_METADATA", ""), objects.checked(store), local=False
            )
            return
        api = stack.enter_context(reach.forwarded("ml-pipeline", KFP_NAMESPACE, 8888))
        metadata = stack.enter_context(reach.forwarded("metadata-grpc-service", KFP_NAMESPACE, 8080))
        variables = stack.enter_context(store_variables())
        yield Connection(api, metadata.removeprefix("http://"), variables["MLOPS_STORE"], local=True)


@contextmanager
def store_variables() -> Iterator[Mapping[str, str]]:
    """Connect to the local cluster's object store, with its keys in this process's environment, during the block."""
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
