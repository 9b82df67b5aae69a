"""Pins a run of the monitor: the training data of the model in production, and what it answered up to an instant."""

from datetime import UTC, datetime, timedelta
from typing import Any

from artifacts.snapshot import sources
from artifacts.snapshot.files import snapshot
from core.backends.registry import open_registry
from core.errors import UsageError
from core.store import Store
from mlops.worlds.world import RunRequest
from pipelines.config import UseCase

SNAPSHOTS = "snapshots"
"""Folder of a store with the lists of files that runs read."""


def monitoring_parameters(request: RunRequest, store: Store) -> dict[str, Any]:
    """Return source, span, data, champion, as_of and snapshot; UsageError when nothing is in production."""
    usecase = request.usecase
    as_of = _instant(request.as_of) if request.as_of else datetime.now(UTC).replace(microsecond=0)
    return _trained_on(usecase, store) | {
        "as_of": as_of.isoformat().replace("+00:00", "Z"),
        "snapshot": _snapshot(request, store, as_of),
    }


def _trained_on(usecase: UseCase, store: Store) -> dict[str, Any]:
    """Return the data that the version in production was made from, as its manifest has it."""
    registry = open_registry(store.registry)
    pointer = registry.pointer(usecase.name)
    if pointer is None:
        raise UsageError(
            f"{usecase.name}: nothing is in production yet, so there is nothing to monitor; "
            f"first: mlops run {usecase.cli_name}"
        )
    about = registry.resolve(usecase.name, str(pointer)).about
    try:
        return {
            "source": str(about["source"]),
            "span": int(max(about["spans"])),
            "data": str(about["data"]),
            "champion": str(pointer),
        }
    except (KeyError, TypeError, ValueError):
        raise UsageError(
            f"{usecase.name}: version {pointer.version} does not say which data it was trained on, so that serving "
            "cannot be compared with it; push a version with a pipeline or `mlops models push`"
        ) from None


def _snapshot(request: RunRequest, store: Store, as_of: datetime) -> str:
    joining = request.usecase.configured("join_feedback")
    days = joining.windows * joining.window_days + joining.maturity_days
    name, root = request.usecase.name, store.objects or str(store.root)
    folder = f"{root}/{SNAPSHOTS}"
    files = [
        *sources.logged(root, name, (as_of - timedelta(days=days)).date(), as_of.date()),
        *sources.outcomes(root, name),
    ]
    if request.server_metrics:
        files.append(sources.server_metrics(request.server_metrics, folder))
    return snapshot(name, files).write(folder)


def label_files(usecase: UseCase, store: Store) -> str:
    """Return the reference of a use case's label files, as long as they are now."""
    root = store.objects or str(store.root)
    return snapshot(usecase.name, sources.labels(root, usecase.name)).write(f"{root}/{SNAPSHOTS}")


def _instant(text: str) -> datetime:
    """Parse RFC 3339, or a date, which is its beginning in UTC."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"--as-of: wanted a time such as 2013-11-01T00:00:00Z, got {text!r}") from None
    if found.tzinfo is None:
        if len(text) > len("2013-11-01"):
            raise UsageError(f"--as-of: wanted a time with its zone, such as the Z of {text}Z")
        found = found.replace(tzinfo=UTC)
    return found.astimezone(UTC)
