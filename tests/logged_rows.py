"""Rows of a prediction log as a server writes them, in columns."""

import pyarrow_hotfix  # noqa: F401
import pyarrow as pa

from artifacts.prediction_log.columns import pack
from artifacts.prediction_log.names import output_feature
from artifacts.prediction_log.reader import LogRow
from artifacts.prediction_log.requests import Requests

_TYPES = {bytes: pa.binary(), int: pa.int64(), float: pa.float32()}


def packed(*rows: LogRow, **dropped: int) -> bytes:
    """Return the record of rows that one version answered, each a request of its own, with equally many values."""
    values = [{**row.features, **{output_feature(name): found for name, found in row.outputs.items()}} for row in rows]
    columns = {}
    for name, first in values[0].items():
        kind = _TYPES[type(first[0])]
        found = [one[name] for one in values]
        columns[name] = pa.array(found, pa.list_(kind)) if len(first) > 1 else pa.array([one[0] for one in found], kind)
    columns["log_row"] = pa.array([row.row for row in rows], pa.int64())
    requests = Requests(
        rows[0].version,
        [row.request_id for row in rows],
        [1] * len(rows),
        [row.time_us for row in rows],
        [row.role for row in rows],
        dropped=dropped,
    )
    return pack(requests, pa.RecordBatch.from_arrays([*columns.values()], [*columns]))
