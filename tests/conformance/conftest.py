from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from localrun import Hosts

if TYPE_CHECKING:
    from conformance_backends import Backend

pytest.register_assert_rewrite("conformance_backends")


@pytest.fixture(scope="session")
def hosts() -> Iterator[Hosts]:
    with Hosts() as shared:
        yield shared


@pytest.fixture(params=["localrun", pytest.param("kfp.local", marks=pytest.mark.slow), "cluster"])
def backend(request: pytest.FixtureRequest) -> "Backend":
    from conformance_backends import Cluster, KfpLocal, Localrun, endpoint

    if request.param == "localrun":
        return Localrun(request.getfixturevalue("hosts"))
    if request.param == "kfp.local":
        return KfpLocal()
    if not endpoint():
        pytest.skip("a cluster: KFP_ENDPOINT is not set")
    return Cluster(endpoint())
