from pathlib import Path

import pytest

from core.errors import UsageError
from core.store import Store


def test_data_and_models_lie_below_home_unless_an_object_store_is_named(tmp_path: Path) -> None:
    local = Store.of({"MLOPS_HOME": str(tmp_path), "MLOPS_STORE": ""})
    assert (local.registry, local.source("flight_delay")) == (
        str(tmp_path / "models"),
        str(tmp_path / "data" / "flight_delay"),
    )
    remote = Store.of({"MLOPS_HOME": str(tmp_path), "MLOPS_STORE": "s3://bucket/folder/"})
    assert (remote.registry, remote.source("flight_delay")) == (
        "s3://bucket/folder/models",
        "s3://bucket/folder/data/flight_delay",
    )
    assert remote.runs == local.runs


@pytest.mark.parametrize(
    "address",
    [
        "bucket",
        "/bucket",
        "s3://",
        "s3:/bucket/x",
        "az://bucket",
        "s3://Bucket",
        "s3://bucket/../x",
        "s3://bucket/x y*",
    ],
)
def test_an_invalid_store_is_a_usage_error(address: str) -> None:
    with pytest.raises(UsageError, match=r"MLOPS_STORE: wanted an address .* such as s3://bucket/folder"):
        Store.of({"MLOPS_STORE": address})
