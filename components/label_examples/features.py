"""Raw rows as a matrix for scikit-learn: words of texts, numbers, categories and pixels, fitted on these rows."""

import io
from collections.abc import Sequence
from typing import Any

import pyarrow_hotfix  # noqa: F401
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, hstack
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from core.errors import LabelingError

_PNG = b"\x89PNG"
_MOST_CATEGORIES = 50
"""A text with more different values is taken for words."""


def matrix(batches: Sequence[pa.RecordBatch]) -> Any:
    """Return the features of all rows, sparse [rows, features]; LabelingError when no column can be used."""
    table = pa.Table.from_batches(batches).combine_chunks()
    parts = [found for name in table.schema.names if (found := _columns(table[name])) is not None]
    if not parts:
        raise LabelingError(
            f"label_examples: wanted a column of texts, numbers or pictures, got {', '.join(table.schema.names)}"
        )
    return csr_matrix(hstack([csr_matrix(part) for part in parts]))


def _columns(column: pa.ChunkedArray) -> Any:
    values = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if pa.types.is_integer(values.type) or pa.types.is_floating(values.type):
        numbers = np.nan_to_num(np.asarray(pc.cast(values, pa.float64()).fill_null(np.nan)))
        return StandardScaler().fit_transform(numbers[:, None])
    if pa.types.is_string(values.type):
        texts = ["" if text is None else text for text in values.to_pylist()]
        if len(set(texts)) > _MOST_CATEGORIES:
            return TfidfVectorizer(sublinear_tf=True).fit_transform(texts)
        return OneHotEncoder().fit_transform(np.array(texts, object)[:, None])
    if pa.types.is_binary(values.type) or pa.types.is_large_binary(values.type):
        return _pixels(values.to_pylist())
    return None


def _pixels(pictures: Sequence[bytes | None]) -> NDArray[np.float64] | None:
    """Return gray pixels, 0 to 1, of PNGs of one size; None for anything else."""
    if not all(picture is not None and picture.startswith(_PNG) for picture in pictures):
        return None
    from matplotlib.image import imread  # noqa: PLC0415 - only pictures need it

    decoded = [imread(io.BytesIO(picture or b""), format="png") for picture in pictures]
    gray = [picture[..., :3].mean(axis=2) if picture.ndim == 3 else picture for picture in decoded]
    if len({picture.shape for picture in gray}) != 1:
        return None
    return np.asarray([picture.reshape(-1) for picture in gray], np.float64)
