"""Copies a use case's spans from this machine to an object store."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from artifacts.spans import files as source
from artifacts.spans.files import SourceFile
from artifacts.spans.pattern import labels, parse_span
from core import digest, objects
from core.errors import NoSuchObject, UsageError
from core.store import Store
from mlops.worlds.pinned import fetch
from pipelines.config import UseCase


@dataclass(frozen=True)
class Shipped:
    """One file of a span, and its copy in the object store."""

    span: int
    address: str
    size: int
    """Bytes."""
    written: bool
    """False when the store had the same content already."""
    replaced: str = ""
    """Digest of the other content that the store had; empty where it had none."""


def ship(
    usecase: UseCase, store: Store, spans: tuple[str, ...] = (), watcher: Callable[[Shipped], None] = lambda _: None
) -> list[Shipped]:
    """Copy the local spans of a use case (all, or those named) to the store's object store; equal content is skipped.

    `watcher` gets each file after it was copied. Objects are written atomically and read back. Raises UsageError
    without an object store, and for a span that this machine does not have; CorruptArtifact for an object that was
    changed after it was pushed, which is left as it is.
    """
    if not store.objects:
        raise UsageError(
            "wanted an object store to push to: --at kfp for the local cluster, --at s3://bucket/folder, or MLOPS_STORE"
        )
    done = []
    for file in _local(usecase, store, spans):
        assert isinstance(file.path, Path)
        address = f"{store.source(usecase.name)}/{file.path.relative_to(store.data / usecase.name).as_posix()}"
        size = file.path.stat().st_size
        before, now = _present(address), digest.of_file(file.path)
        if before != now:
            objects.upload(file.path, address, now)
        shipped = Shipped(file.span, address, size, written=before != now, replaced=before if before != now else "")
        watcher(shipped)
        done.append(shipped)
    return done


def spans_in(usecase: UseCase, store: Store) -> dict[int, int]:
    """Return the spans in the store, each with its number of files."""
    found = source.spans(f"{store.source(usecase.name)}/{usecase.source.pattern}")
    return {span: len(files) for span, files in sorted(found.items())}


def _local(usecase: UseCase, store: Store, spans: tuple[str, ...]) -> Iterator[SourceFile]:
    pattern = usecase.source.pattern
    if Path(pattern).is_absolute() or objects.is_address(pattern):
        raise UsageError(
            f"{usecase.folder / 'config.yaml'}: source.pattern {pattern!r} is outside the store; "
            f"wanted one relative to data/{usecase.name}/"
        )
    here = Store(store.root)
    fetch(usecase, here)
    found = source.spans(f"{here.source(usecase.name)}/{pattern}")
    asked = {parse_span(pattern, span) for span in spans}
    missing = labels(pattern, sorted(asked - set(found)))
    if missing or not found:
        known = labels(pattern, sorted(found)) or "none"
        raise UsageError(
            f"{here.source(usecase.name)}/{pattern}: wanted {f'span {missing}' if missing else 'a span'}, got {known}"
        )
    for span in sorted(asked or found):
        yield from sorted(found[span], key=lambda file: file.name)


def _present(address: str) -> str:
    """Return the digest of an object, which is read only where none was recorded with it; "" when there is none."""
    try:
        return objects.recorded_digest(address) or objects.digest_of(address)
    except NoSuchObject:
        return ""
