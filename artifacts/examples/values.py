"""Replaces the values of list columns."""

import pyarrow_hotfix  # noqa: F401
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


def per_value(column: pa.Array, derived: pa.Array) -> pa.Array:
    """Return a column of lists, with each value replaced by the one in `derived`, [values]; null rows stay null.

    A null in `derived` is left out of its row, and a row without values becomes null.
    """
    lengths = np.asarray(pc.fill_null(pc.list_value_length(column), 0), np.int64)
    row = np.repeat(np.arange(len(column)), lengths)
    kept = derived.is_valid().to_numpy(zero_copy_only=False)
    counts = np.bincount(row[kept], minlength=len(column))
    offsets = np.concatenate(([0], np.cumsum(counts, dtype=np.int64)))
    missing = np.append(counts == 0, False)
    return pa.LargeListArray.from_arrays(pa.array(offsets, mask=missing), derived.drop_null())
