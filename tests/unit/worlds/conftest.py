from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_kfp import FakeKfp, FakeMetadata, served

from core.store import Store
from mlops.worlds.kfp_connection import Connection


@pytest.fixture
def kfp() -> FakeKfp:
    return FakeKfp()


@pytest.fixture
def metadata() -> FakeMetadata:
    return FakeMetadata()


@pytest.fixture
def connection(kfp: FakeKfp, metadata: FakeMetadata, bucket: str) -> Iterator[Connection]:
    with served(kfp) as api, metadata.served() as address:
        yield Connection(api, address, f"{bucket}/ml-in-production", local=False)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")
