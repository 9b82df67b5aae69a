"""One record of a file that is being written: the columns of many answered rows, which become tf.Examples later.

A line of JSON has the requests, and the rest is an Arrow stream of one batch with the rows' features and outputs. To
write that takes a small part of the time that tf.Examples take, and a server writes it while it answers.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pyarrow_hotfix  # noqa: F401
import numpy as np
import pyarrow as pa

from artifacts.examples import encoder
from artifacts.prediction_log import keys, names
from artifacts.prediction_log.requests import Requests, requests_of
from core.errors import CorruptArtifact


def pack(requests: Requests, table: pa.RecordBatch) -> bytes:
    """Return the record of some rows; a column `log_row` is needed where rows of a request were left out."""
    sink = pa.BufferOutputStream()
    sink.write(requests.line())
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_batch(table)
    content: bytes = sink.getvalue().to_pybytes()
    return content


def examples_of(record: bytes) -> list[bytes]:
    """Return the serialized tf.Examples of a record's rows, the same bytes each time; CorruptArtifact if it is none."""
    requests, start = requests_of(record)
    try:
        with pa.ipc.open_stream(pa.py_buffer(record).slice(start)) as stream:
            table = stream.read_next_batch()
    except (pa.ArrowException, StopIteration, OSError) as error:
        raise CorruptArtifact(f"a record of the prediction log: wanted rows in Arrow's format, got {error}") from None
    return _apart(encoder.encode(_whole(requests, table))) if table.num_rows else []


def _whole(requests: Requests, table: pa.RecordBatch) -> pa.RecordBatch:
    """Return the rows with the features that are the log's own."""
    columns = dict(zip(table.schema.names, table.columns, strict=True))
    counts = np.array(requests.rows, np.int64)
    if names.ROW not in columns:
        columns[names.ROW] = pa.array(np.arange(table.num_rows) - np.repeat(np.cumsum(counts) - counts, counts))
    of_request = pa.array(np.repeat(np.arange(len(counts)), counts))
    ids = pa.array(requests.ids, pa.string()).take(of_request)
    if requests.key:
        key = row_keys([columns[name] for name in requests.key])
    else:
        pairs = zip(ids.to_pylist(), columns[names.ROW].to_pylist(), strict=True)
        key = [f"{given}/{row}" for given, row in pairs]
    columns |= {
        names.KEY: pa.array(key, pa.binary()),
        names.REQUEST_ID: ids.cast(pa.binary()),
        names.TIME: pa.array(requests.times, pa.int64()).take(of_request),
        names.VERSION: pa.array(np.full(table.num_rows, requests.version)),
        names.ROLE: pa.array(requests.roles, pa.binary()).take(of_request),
    }
    return pa.RecordBatch.from_arrays([*columns.values()], [*columns])


def row_keys(columns: Sequence[pa.Array]) -> list[str]:
    """Return the key of each row, from its key columns."""
    values: Any = zip(*(column.to_pylist() for column in columns), strict=True)
    return [keys.row_key(of_row) for of_row in values]


def _apart(encoded: pa.Array) -> list[bytes]:
    """Take a binary array apart; `to_pylist` takes ten times as long."""
    _, ends, content = encoded.buffers()
    at = np.frombuffer(ends, np.int32)[encoded.offset : encoded.offset + len(encoded) + 1].tolist()
    whole = content.to_pybytes()
    return [whole[start:end] for start, end in pairwise(at)]
