"""All labels of a use case in a store on this machine."""

from collections.abc import Iterator
from pathlib import Path

from artifacts.labels.names import SUFFIX, labels_folder
from artifacts.labels.reader import Label, read_strictly


def folder_of(store: Path, usecase: str) -> Path:
    """Return the folder of a use case's label files, which need not exist."""
    return Path(labels_folder(str(store), usecase))


def paths(folder: Path) -> list[Path]:
    """Return the label files of a folder, in the order of their names."""
    return sorted(path for path in folder.glob(f"*{SUFFIX}") if path.is_file() and not path.name.startswith("."))


def labels(folder: Path) -> Iterator[Label]:
    """Yield the labels of all files; MalformedLabel for a line that is none."""
    for path in paths(folder):
        with path.open("rb") as stream:
            yield from read_strictly(stream, path.name)
