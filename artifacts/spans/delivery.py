"""Writes the files of missing spans, each atomically; for a use case's `data.py`."""

from collections.abc import Callable, Iterable
from importlib.util import find_spec
from pathlib import Path

from core import durable
from core.errors import DataError


def missing_spans(folder: Path, pattern: str, spans: Iterable[int]) -> list[int]:
    """Return the spans whose file does not exist yet; `pattern` is relative to the folder and holds `{SPAN}`."""
    return [span for span in spans if not span_file(folder, pattern, span).is_file()]


def span_file(folder: Path, pattern: str, span: int) -> Path:
    """Return the path of a span's file."""
    return folder / pattern.replace("{SPAN}", str(span))


def deliver(folder: Path, pattern: str, spans: Iterable[int], content: Callable[[int], bytes]) -> None:
    """Write one file per span, each atomically."""
    for span in spans:
        path = span_file(folder, pattern, span)
        path.parent.mkdir(parents=True, exist_ok=True)
        durable.replace(path, content(span))


def package_file(package: str, name: str) -> Path:
    """Return a data file of an installed package without importing it; DataError when it is missing."""
    spec = find_spec(package)
    folders = (spec.submodule_search_locations if spec else None) or []
    path = next((Path(folder) / name for folder in folders if (Path(folder) / name).is_file()), None)
    if path is None:
        raise DataError(f"{package}: wanted the installed package with its file {name}, got none; run `make setup`")
    return path
