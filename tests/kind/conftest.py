import os
from collections.abc import Iterator

import pytest

from mlops.worlds.kfp_connection import Connection, connected


@pytest.fixture(scope="session")
def cluster() -> Iterator[Connection]:
    """The local cluster; these tests are asked for by name (`make test-kind`), and then a cluster that is not there is a failure."""
    if not os.environ.get("MLOPS_TEST_KIND"):
        pytest.skip("a cluster: MLOPS_TEST_KIND is not set; make deploy-local, then make test-kind")
    with connected("", os.environ) as connection:
        yield connection
