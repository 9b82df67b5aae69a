"""Turns the files that servers have written into finished ones, of tf.Examples, once their writers have left them."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from artifacts.examples import tfrecord
from artifacts.prediction_log import names
from artifacts.prediction_log.columns import examples_of
from artifacts.prediction_log.part_file import PartFile
from artifacts.prediction_log.reader import days
from artifacts.prediction_log.requests import requests_of
from artifacts.prediction_log.summary import Summary
from core import durable


def left_files(folder: Path) -> list[Path]:
    """List the files of a model's log that are not finished, the oldest day first; some are being written."""
    every = (path for _, place in days(folder) for path in sorted(place.iterdir()))
    return [path for path in every if names.finished_name(path.name) is not None]


def convert(path: Path) -> Path | None:
    """Convert a file, and return the finished one; None when its writer holds it, it has no rows, or it is gone.

    Whoever dies here leaves the file, the finished one, or both, which then have the same rows. OSError when the
    finished one cannot be written, CorruptArtifact when a record is none of a prediction log; the file stays then.
    """
    part = PartFile.adopt(path)
    if part is None:
        return None
    try:
        final = path.with_name(names.finished_name(path.name) or "")
        if not final.exists():
            _finish(path, final)
        path.unlink()
        return final if final.exists() else None
    finally:
        part.close()


def _finish(path: Path, final: Path) -> None:
    staged, summary = final.with_name(f"{durable.STAGING}{final.name}"), Summary()
    try:
        with durable.named(staged), path.open("rb") as source, staged.open("wb") as stream:
            for framed in _framed(source, path, summary):
                stream.write(framed)
            stream.flush()
            os.fsync(stream.fileno())
        if summary.rows or summary.dropped:
            summary.write(names.summary_path(final))
        if summary.rows:
            staged.replace(final)
            durable.sync(final.parent)
    finally:
        staged.unlink(missing_ok=True)


def open_examples(path: Path) -> BinaryIO:
    """Open a finished file, or what the one that will become it has by now, as if it were finished.

    Raises FileNotFoundError when there is neither.
    """
    part = path.with_name(names.part_name(path.name))
    try:
        stream = None if path.exists() else part.open("rb")
    except FileNotFoundError:  # it was finished since
        stream = None
    if stream is None:
        return path.open("rb")
    found = tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it
    with stream:
        for framed in _framed(stream, part, Summary()):
            found.write(framed)
    found.seek(0)
    return found


def _framed(stream: BinaryIO, path: Path, summary: Summary) -> Iterator[bytes]:
    try:
        for _, record in tfrecord.read(stream, path):
            summary.add(requests_of(record)[0])
            yield b"".join(map(tfrecord.frame, examples_of(record)))
    except tfrecord.TornRecord:
        return
