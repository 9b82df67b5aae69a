"""A push to Google Cloud Storage records digests, so that nothing is read twice and a changed object is named."""

import random
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from artifacts.spans.files import resolve, window_digest
from core import digest, objects
from core.errors import CorruptArtifact
from core.store import Store
from mlops.actions.shipped import ship
from mlops.cli.main import cli
from mlops.worlds.pinned import data_parameters
from mlops.worlds.world import RunRequest
from pipelines.config import UseCase, find, load
from tests.google_storage import BUCKET, UNIT, Served, Stored


@pytest.fixture
def usecase(store: Store, tmp_path: Path) -> UseCase:
    """A use case without a `data.py`, with small spans on this machine."""
    for span in range(1, 6):
        path = here(store, span)
        path.parent.mkdir(parents=True)
        path.write_bytes(f"rows of {span}".encode())
    return load(find("flight_delay")).model_copy(update={"folder": tmp_path})


@pytest.fixture
def there(store: Store, google_storage: Served) -> Store:
    return replace(store, objects=f"{google_storage.address}/ml")


def here(store: Store, span: int) -> Path:
    return store.data / "flight_delay" / f"span-{span}" / "flights.parquet"


def address(there: Store, span: int) -> str:
    return f"{there.source('flight_delay')}/span-{span}/flights.parquet"


def change(google_storage: Served, name: str, **changes: object) -> None:
    """Change what the service has of an object."""
    stored: dict[str, Stored] = google_storage.storage.buckets[BUCKET]
    key = name.removeprefix(f"gs://{BUCKET}/")
    stored[key] = replace(stored[key], **changes)  # type: ignore[arg-type]


def asked(google_storage: Served) -> tuple[int, int]:
    """Return how often content was read and written since the last time."""
    requests = google_storage.loopback.requests
    counts = (
        sum(one.query.get("alt") == "media" for one in requests),
        sum(one.path.startswith("/upload/") for one in requests),
    )
    requests.clear()
    return counts


def test_a_second_push_reads_and_writes_no_content(usecase: UseCase, there: Store, google_storage: Served) -> None:
    assert all(one.written and not one.replaced for one in ship(usecase, there))
    assert asked(google_storage)[1] == 5
    assert not any(one.written for one in ship(usecase, there))
    assert asked(google_storage) == (0, 0)


@pytest.mark.parametrize("size", [0, 3 * UNIT + 1])
def test_the_digest_is_recorded_by_both_kinds_of_upload(
    google_storage: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr(objects, "_PART", UNIT)
    path, name = tmp_path / "file", f"{google_storage.address}/file"
    path.write_bytes(random.Random(size).randbytes(size))
    objects.upload(path, name, digest.of_file(path))
    assert objects.recorded_digest(name) == digest.of_file(path) == objects.digest_of(name)
    objects.write(name, path.read_bytes())  # another program notes nothing
    assert objects.recorded_digest(name) == ""


def test_an_object_that_was_changed_after_the_push_is_named_and_left(
    usecase: UseCase, there: Store, google_storage: Served
) -> None:
    ship(usecase, there)
    change(google_storage, address(there, 2), content=b"rows of X")
    for local in (b"rows of 2", b"newer rows"):
        here(there, 2).write_bytes(local)
        with pytest.raises(CorruptArtifact, match=r"span-2/flights.parquet: wanted sha256:\w+ with CRC32C .*gcloud"):
            ship(usecase, there)
        assert objects.read(address(there, 2)) == b"rows of X"
    objects.delete(address(there, 2))
    assert [one.span for one in ship(usecase, there) if one.written] == [2]


def test_an_object_that_another_program_wrote_is_read_and_what_it_had_is_said(
    usecase: UseCase, there: Store, google_storage: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    objects.write(address(there, 1), b"rows of 1")
    objects.write(address(there, 2), b"other rows")
    first, second = ship(usecase, there, ("1", "2"))
    assert (first.written, first.replaced) == (False, "")
    assert (second.written, second.replaced) == (True, digest.of_bytes(b"other rows"))
    here(there, 2).write_bytes(b"newer rows")
    monkeypatch.setenv("MLOPS_HOME", str(there.root))
    monkeypatch.setattr("pipelines.config.load", lambda _: usecase)
    shown = CliRunner().invoke(cli, ["data", "push", "flight_delay", "--at", there.objects, "--span", "2"])
    assert shown.output.startswith("replaced   gs://")
    assert objects.recorded_digest(address(there, 2)) == digest.of_bytes(b"newer rows")


def test_a_run_is_pinned_without_reading_the_data(usecase: UseCase, there: Store, google_storage: Served) -> None:
    ship(usecase, there)
    asked(google_storage)
    pinned = data_parameters(RunRequest(usecase), there)
    assert asked(google_storage) == (0, 0)
    pattern = f"{there.source('flight_delay')}/span-{{SPAN}}/flights.parquet"
    window = resolve(pattern, pinned["span"], 4)
    assert pinned["data"] == window_digest(window)
    assert asked(google_storage)[0] == len(window.files)  # what the first step compares is the content
    change(google_storage, address(there, pinned["span"]), content=b"rows of X")
    with pytest.raises(CorruptArtifact, match="something else wrote it"):
        data_parameters(RunRequest(usecase), there)
    change(google_storage, address(there, pinned["span"]), metadata={})
    assert data_parameters(RunRequest(usecase), there)["data"] == window_digest(window) != pinned["data"]
