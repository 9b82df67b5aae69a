import os
from collections.abc import Iterator

import pytest

from mlops.worlds.kfp_connection import Connection, connected


@pytest.fixture(scope="session")
def cluster() -> Iterator[Connection]:
    """The local cluster; these tests run only with `make test-kind`, and then fail without a cluster."""
    if not os.environ.get("MLOPS_TEST_KIND"):
        pytest.skip("a cluster: MLOPS_TEST_KIND is not set; make deploy-local, then make test-kind")
    with connected("", os.environ) as connection:
        yield connection
