import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from core.images import reference
from localrun import Hosts
from mlops.cluster.access.reach import forwarded
from mlops.cluster.site import KFP_NAMESPACE

if TYPE_CHECKING:
    from conformance_backends import Backend, Deployment

pytest.register_assert_rewrite("conformance_backends")


@pytest.fixture(scope="session")
def hosts() -> Iterator[Hosts]:
    with Hosts() as shared:
        yield shared


@pytest.fixture(scope="session")
def cwd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that tasks are started in."""
    return tmp_path_factory.mktemp("cwd")


@pytest.fixture(scope="session")
def cluster() -> "Iterator[Deployment]":
    """A cluster that the environment names, or the local one when `make test-kind` asks for it."""
    from conformance_backends import Deployment

    if os.environ.get("KFP_ENDPOINT"):
        image = os.environ.get("CONFORMANCE_IMAGE", "python:3.11")
        yield Deployment(os.environ["KFP_ENDPOINT"], os.environ.get("MLOPS_KFP_METADATA", ""), image)
    elif os.environ.get("MLOPS_TEST_KIND"):
        with (
            forwarded("ml-pipeline", KFP_NAMESPACE, 8888) as api,
            forwarded("metadata-grpc-service", KFP_NAMESPACE, 8080) as metadata,
        ):
            yield Deployment(api, metadata.removeprefix("http://"), reference("data"))
    else:
        pytest.skip("a cluster: KFP_ENDPOINT is not set, and make test-kind was not asked for")


@pytest.fixture(params=["localrun", "kfp.local", "cluster"])
def backend(request: pytest.FixtureRequest) -> "Backend":
    from conformance_backends import Cluster, KfpLocal, Localrun

    if request.param == "localrun":
        return Localrun(request.getfixturevalue("hosts"), request.getfixturevalue("cwd"))
    if request.param == "kfp.local":
        return KfpLocal()
    return Cluster(request.getfixturevalue("cluster"))
