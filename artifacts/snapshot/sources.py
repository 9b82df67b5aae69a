"""Lists what a snapshot pins: the prediction log's files, files of outcomes and of labels, and a server's metrics."""

import io
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from datetime import date
from pathlib import Path

from artifacts.labels import names as label_names
from artifacts.outcomes import names as outcome_names
from artifacts.prediction_log import names as log_names
from artifacts.prediction_log.reader import log_files
from artifacts.snapshot.files import PinnedFile, Role, pin
from artifacts.spans.files import spans
from core import digest, durable, objects
from core.errors import DataError

_EPOCH = date(1970, 1, 1)
_SECONDS = 10.0
_MOST_BYTES = 16 << 20


def logged(store: str, model: str, since: date, until: date) -> Iterator[PinnedFile]:
    """Pin the files of the days of a model's log; of those that are not finished, what they have by now."""
    folder = f"{store}/{log_names.ROOT}/{model}"
    if objects.is_address(store):
        yield from _logged_objects(folder, since, until)
        return
    from artifacts.prediction_log.conversion import open_examples  # noqa: PLC0415 - Arrow

    for one in log_files(Path(folder), since, until):
        final = one.path.with_name(log_names.finished_name(one.path.name) or one.path.name)
        with suppress(FileNotFoundError):  # removed since it was listed
            with open_examples(final) as stream:
                size = stream.seek(0, io.SEEK_END)
            yield pin("log", f"{one.day}/{final.name}", str(final), size)


def _logged_objects(folder: str, since: date, until: date) -> Iterator[PinnedFile]:
    found = spans(f"{folder}/{log_names.PATTERN}")
    for day in sorted(day for day in found if (since - _EPOCH).days <= day <= (until - _EPOCH).days):
        for file in found[day]:
            yield pin("log", file.name, str(file.path), objects.stat(str(file.path)).size)


def outcomes(store: str, model: str) -> Iterator[PinnedFile]:
    """Pin the files of a model's outcomes as long as they are now."""
    yield from _appended("outcomes", outcome_names.outcomes_folder(store, model), outcome_names.SUFFIX)


def labels(store: str, usecase: str) -> Iterator[PinnedFile]:
    """Pin the label files of a use case as long as they are now."""
    yield from _appended("labels", label_names.labels_folder(store, usecase), label_names.SUFFIX)


def _appended(role: Role, folder: str, suffix: str) -> Iterator[PinnedFile]:
    if objects.is_address(folder):
        for entry in objects.entries(folder):
            if entry.name.endswith(suffix):
                yield pin(role, entry.name, entry.address, entry.size)
        return
    for path in sorted(Path(folder).glob(f"*{suffix}")):
        if path.is_file() and not path.name.startswith("."):
            yield pin(role, path.name, str(path), path.stat().st_size)


def server_metrics(place: str, folder: str) -> PinnedFile:
    """Copy a server's metrics, from a file or an address of HTTP, below a folder; DataError when there are none."""
    content = _fetched(place)
    location = f"{folder}/metrics-{digest.of_bytes(content).removeprefix('sha256:')[:16]}.prom"
    if objects.is_address(location):
        objects.write(location, content)
    else:
        Path(location).parent.mkdir(parents=True, exist_ok=True)
        durable.replace(Path(location), content)
    return pin("metrics", "server.prom", location, len(content))


def _fetched(place: str) -> bytes:
    try:
        if place.startswith(("http://", "https://")):
            with urllib.request.urlopen(place, timeout=_SECONDS) as answer:  # noqa: S310 - http or https
                content: bytes = answer.read(_MOST_BYTES)
            return content
        return Path(place).read_bytes()
    except (OSError, urllib.error.URLError) as error:
        raise DataError(f"{place}: wanted a server's metrics in Prometheus' text format, got {error}") from None
