"""Turns rows into a matrix that a quick linear model learns from: words, categories, numbers and pixels."""

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import sparse
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.preprocessing import normalize

from mlops.actions.labeling.rows import Row

_PIECES = r"(?u)\b\w+\b|[£$€!]"
Matrix: TypeAlias = sparse.csr_matrix
_FEW = 50
"""Columns of text with at most so many different values are categories."""


def matrix(rows: Sequence[Row]) -> Matrix:
    """Return features of length 1 for each row, [rows, features]; no label is used."""
    names = sorted({name for row in rows for name in row.features})
    blocks = [_block([row.features.get(name) for row in rows]) for name in names]
    blocks = [block for block in blocks if block is not None]
    if not blocks:
        return sparse.csr_matrix((len(rows), 1), dtype=np.float64)
    return sparse.csr_matrix(normalize(sparse.hstack(blocks)))


def _block(values: list[Any]) -> Matrix | None:
    flat = [one for value in values for one in (value if isinstance(value, list) else [value]) if value is not None]
    if not flat:
        return None
    if any(isinstance(one, str) for one in flat):
        texts = [" ".join(map(str, one)) if isinstance(one, list) else str(one or "") for one in values]
        return _categories(texts) if len(set(texts)) <= _FEW else _words(texts)
    return _numbers(values)


def _categories(texts: list[str]) -> Matrix:
    different, codes = np.unique(texts, return_inverse=True)
    return sparse.csr_matrix((np.ones(len(texts)), (np.arange(len(texts)), codes)), (len(texts), len(different)))


def _words(texts: list[str]) -> Matrix | None:
    vectorizer = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    vectorizer.token_pattern = _PIECES
    try:
        return vectorizer.fit_transform(texts)
    except ValueError:  # no word in any text
        return None


def _numbers(values: list[Any]) -> Matrix:
    """Return z-scores; a missing value, or one of a list of another length than most, is the mean."""
    lists = [one if isinstance(one, list) else [] if one is None else [one] for one in values]
    width = int(np.bincount([len(one) for one in lists if one]).argmax())
    dense: npt.NDArray[np.float64] = np.full((len(lists), width), np.nan)
    for place, one in enumerate(lists):
        if len(one) == width:
            dense[place] = one
    dense -= np.nanmean(dense, axis=0)
    spread = np.nanstd(dense, axis=0)
    dense /= np.where(spread > 0, spread, 1) * width**0.5
    return sparse.csr_matrix(np.nan_to_num(dense))
