"""Deletes the rows of one key from a model's prediction log, and corrects the counts beside the files."""

from pathlib import Path
from typing import NamedTuple

from artifacts.deletion import staged
from artifacts.examples import tfrecord
from artifacts.labels.row_key import RowKey
from artifacts.prediction_log import names
from artifacts.prediction_log.conversion import convert, left_files
from artifacts.prediction_log.reader import log_files, parse
from artifacts.prediction_log.summary import Summary
from core.errors import CorruptArtifact


class Deleted(NamedTuple):
    """What was deleted from a log."""

    rows: int
    busy: tuple[str, ...]
    """Files that a server is writing; they were not searched."""


def delete(folder: Path, key: str, row_key: RowKey) -> Deleted:
    """Delete the rows that were logged with the key, or whose features have it; CorruptArtifact for a damaged file."""
    busy = tuple(str(path) for path in left_files(folder) if convert(path) is None and path.exists())
    files = [file.path for file in log_files(folder, unfinished=False)]
    return Deleted(sum(_delete(path, key, row_key) for path in files), busy)


def _delete(path: Path, key: str, row_key: RowKey) -> int:
    with path.open("rb") as stream:
        records = [record for _, record in tfrecord.read(stream, path)]
    rows = [parse(record) for record in records]
    # The log's own features, which begin with log_, are in no request and so in no key.
    by_features = row_key.keys_of_records(records) if not row_key.columns else [row.key for row in rows]
    left = [at for at, row in enumerate(rows) if key not in (row.key, by_features[at])]
    if len(left) == len(records):
        return 0
    with staged.staged(path) as target:
        target.write_bytes(b"".join(tfrecord.frame(records[at]) for at in left))
        staged.replace(path, len(left), target)
    _correct(path, [rows[at].version for at in left])
    return len(records) - len(left)


def _correct(path: Path, versions: list[int]) -> None:
    """Write the counts of what is left of a file; what was dropped while it was written stays."""
    summary = names.summary_path(path)
    try:
        dropped = Summary.read(summary).dropped
    except (OSError, CorruptArtifact):
        return
    counts = Summary(rows=len(versions), dropped=dropped)
    counts.versions.update(versions)
    if versions or dropped:
        counts.write(summary)
    else:
        summary.unlink()
