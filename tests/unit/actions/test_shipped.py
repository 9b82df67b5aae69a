"""What is pushed is what lies here, and a run that reads it there is pinned to the same digest."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from artifacts.spans.files import resolve, window_digest
from core import objects
from core.errors import StoreError, UsageError
from core.store import Store
from mlops.actions.shipped import ship, spans_in
from mlops.cli.main import cli
from pipelines.config import Source, UseCase, find, load
from tests.object_store import Calls

PATTERN = "span-{SPAN}/flights.parquet"


@pytest.fixture
def usecase(store: Store, tmp_path: Path) -> UseCase:
    """A use case without a `data.py`, with three small spans on this machine."""
    for span in (1, 2, 3):
        folder = store.data / "flight_delay" / f"span-{span}"
        folder.mkdir(parents=True)
        (folder / "flights.parquet").write_bytes(f"rows of {span}".encode())
    return load(find("flight_delay")).model_copy(update={"folder": tmp_path})


@pytest.fixture
def there_too(store: Store, bucket: str) -> Store:
    return replace(store, objects=f"{bucket}/ml-in-production")


def test_a_second_push_writes_nothing(usecase: UseCase, there_too: Store) -> None:
    first, second = ship(usecase, there_too), ship(usecase, there_too)
    assert [one.span for one in first] == [1, 2, 3]
    assert [one.written for one in first + second] == [True] * 3 + [False] * 3
    assert spans_in(usecase, there_too) == {1: 1, 2: 1, 3: 1}


def test_a_window_has_one_digest_wherever_it_lies(usecase: UseCase, store: Store, there_too: Store) -> None:
    ship(usecase, there_too)
    windows = [resolve(f"{place.source('flight_delay')}/{PATTERN}", 3, 2) for place in (store, there_too)]
    assert window_digest(windows[0]) == window_digest(windows[1])
    assert windows[0].spans == windows[1].spans == (2, 3)
    assert [file.name for file in windows[0].files] == [file.name for file in windows[1].files]


def test_a_file_that_changed_is_written_again_and_only_what_was_asked_for(
    usecase: UseCase, store: Store, there_too: Store
) -> None:
    ship(usecase, there_too)
    for span in (2, 3):
        (store.data / "flight_delay" / f"span-{span}" / "flights.parquet").write_bytes(b"other rows")
    assert [(one.span, one.written) for one in ship(usecase, there_too, ("2",))] == [(2, True)]
    assert objects.read(f"{there_too.source('flight_delay')}/span-3/flights.parquet") == b"rows of 3"


def test_a_span_that_is_not_here_is_named_with_those_that_are(usecase: UseCase, there_too: Store) -> None:
    with pytest.raises(UsageError, match="wanted span 7, got 1, 2, 3"):
        ship(usecase, there_too, ("7",))


def test_without_a_store_the_ways_to_name_one_are_listed(usecase: UseCase, store: Store) -> None:
    with pytest.raises(UsageError, match=r"--at kfp for the local cluster, --at s3://bucket/folder, or MLOPS_STORE"):
        ship(usecase, store)


def test_data_that_lies_elsewhere_is_not_pushed(usecase: UseCase, there_too: Store) -> None:
    elsewhere = usecase.model_copy(update={"source": Source(pattern="/data/span-{SPAN}.csv")})
    with pytest.raises(UsageError, match="is outside the store"):
        ship(elsewhere, there_too)


def test_a_push_that_the_store_breaks_off_leaves_nothing_half_and_goes_on_the_next_time(
    usecase: UseCase, there_too: Store
) -> None:
    with Calls().watching() as calm:
        ship(usecase, replace(there_too, objects=f"{there_too.objects}/calm"))

    def refuse(_: str) -> None:
        raise PermissionError("no longer yours")

    for at in range(1, calm.count + 1):
        place = replace(there_too, objects=f"{there_too.objects}/try-{at}")
        with Calls(refuse, at).watching(), pytest.raises(StoreError):
            ship(usecase, place)
        found = {
            entry.address.rpartition("span-")[2]: objects.read(entry.address) for entry in objects.walk(place.objects)
        }
        assert all(content == f"rows of {name[0]}".encode() for name, content in found.items())
        assert len(ship(usecase, place)) == 3


@pytest.mark.parametrize(
    ("arguments", "message"), [(("--at", "gs://b"), "wanted an address"), ((), "wanted an object store to push to")]
)
def test_the_command_line_refuses_a_place_that_is_none(
    arguments: tuple[str, ...], message: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("MLOPS_STORE", raising=False)
    monkeypatch.setenv("MLOPS_HOME", str(tmp_path))
    result: Any = CliRunner().invoke(cli, ["data", "push", "flight_delay", *arguments])
    assert isinstance(result.exception, UsageError)
    assert message in str(result.exception)
