"""What a task sees of its input artifacts: names of its own, so that no change of it reaches the next reader.

A Python task gets hard links, which cost nothing, and its process copies a file before it opens it for writing (see
hosts/guard.py). Any other program gets copies, by reference where the file system can. What cannot be linked, such as
an imported file on another disk, is handed on as it is. All are verified when the task has ended.
"""

import contextlib
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from localrun.records import Artifact, Values
from localrun.store.digests import Digests
from localrun.store.layout import discard

_COPIED = 2**30
"""Bytes; an artifact that is larger is linked for a program, too, and found out if it is changed."""
_CHUNK = 2**30

Bring = Callable[[Path, Path], None]


@dataclass(frozen=True)
class View:
    """The inputs of one attempt, below a folder that goes when the attempt has ended."""

    folder: Path
    store: Path
    """Only what lies in it is given other names: a place outside is what its owner calls it."""

    def of(self, inputs: Values, digests: Digests, *, copied: bool) -> Values:
        """Make the view and return the inputs as the task shall see them."""
        return Values(
            inputs.parameters,
            {key: self._seen(artifact, key, digests, copied) for key, artifact in inputs.artifacts.items()},
            {
                key: tuple(self._seen(a, f"{key}/{index}", digests, copied) for index, a in enumerate(listed))
                for key, listed in inputs.lists.items()
            },
        )

    def original(self, path: Path, inputs: Values) -> Path:
        """Return where a path of the view lies in the store; any other path as it is."""
        if path.is_relative_to(self.folder):
            for key, artifact in inputs.every_artifact().items():
                seen = self._place(artifact, key.replace("[", "/").rstrip("]"))
                if path.is_relative_to(seen):
                    return artifact.path / path.relative_to(seen)
        return path

    def discard(self, digests: Digests, inputs: Values) -> None:
        """Remove the view, if there is one."""
        if not self.folder.is_dir():
            return
        with contextlib.ExitStack() as stack:
            for artifact in inputs.every_artifact().values():
                if artifact.digest:
                    stack.enter_context(digests.renamed(artifact.path))
            discard(self.folder)

    def _place(self, artifact: Artifact, key: str) -> Path:
        return self.folder / key / artifact.path.name

    def _seen(self, artifact: Artifact, key: str, digests: Digests, copied: bool) -> Artifact:
        source = artifact.path
        if not artifact.digest or not source.is_relative_to(self.store):
            return artifact
        target = self._place(artifact, key)
        target.parent.mkdir(parents=True, exist_ok=True)
        bring: Bring = _copy if copied and _size(source) <= _COPIED else os.link
        try:
            with digests.renamed(source):
                _bring(source, target, bring)
        except OSError:  # another file system, too many links, or links are not allowed
            discard(target)
            return artifact
        return replace(artifact, uri=str(target))


def _bring(source: Path, target: Path, bring: Bring) -> None:
    if source.is_symlink():
        target.symlink_to(source.readlink())
    elif source.is_dir():
        target.mkdir()
        for entry in os.scandir(source):
            _bring(Path(entry.path), target / entry.name, bring)
        shutil.copystat(source, target)
    else:
        bring(source, target)


def _copy(source: Path, target: Path) -> None:
    """Copy a file, by reference where the file system shares blocks between files."""
    with source.open("rb") as reading, target.open("xb") as writing:
        try:
            while os.copy_file_range(reading.fileno(), writing.fileno(), _CHUNK):
                pass
        except OSError:
            reading.seek(0)
            writing.seek(0)
            shutil.copyfileobj(reading, writing)
    shutil.copystat(source, target)


def _size(path: Path) -> int:
    if not path.is_dir():
        return path.stat().st_size
    return sum(Path(folder, name).lstat().st_size for folder, _, names in os.walk(path) for name in names)
