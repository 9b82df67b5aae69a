from pathlib import Path

import pytest

from core.errors import UsageError
from core.store import Store


def test_data_and_models_lie_below_home_unless_an_object_store_is_named(tmp_path: Path) -> None:
    here = Store.of({"MLOPS_HOME": str(tmp_path), "MLOPS_STORE": ""})
    assert (here.registry, here.source("flight_delay")) == (
        str(tmp_path / "models"),
        str(tmp_path / "data" / "flight_delay"),
    )
    there = Store.of({"MLOPS_HOME": str(tmp_path), "MLOPS_STORE": "s3://bucket/folder/"})
    assert (there.registry, there.source("flight_delay")) == (
        "s3://bucket/folder/models",
        "s3://bucket/folder/data/flight_delay",
    )
    assert there.runs == here.runs


@pytest.mark.parametrize(
    "address",
    [
        "bucket",
        "/bucket",
        "s3://",
        "s3:/bucket/x",
        "gs://bucket",
        "s3://Bucket",
        "s3://bucket/../x",
        "s3://bucket/x y*",
    ],
)
def test_a_store_that_is_no_address_is_the_users_error(address: str) -> None:
    with pytest.raises(UsageError, match=r"MLOPS_STORE: wanted an address .* such as s3://bucket/folder"):
        Store.of({"MLOPS_STORE": address})
