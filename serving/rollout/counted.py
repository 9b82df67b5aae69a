"""Answers a request and counts how it went, for the version that a canary's split chose."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import numpy as np

from serving.versions.loaded import Lease
from serving.versions.split import Keyed

Outputs = Mapping[str, Any]
"""Arrays by the names of the outputs."""
_Answer = TypeVar("_Answer")
_SCORES = ("predictions", "scores", "outputs")


def counted(
    lease: Lease, keyed: Keyed | None, work: Callable[[], _Answer], outputs_of: Callable[[_Answer], Outputs]
) -> _Answer:
    """Return what `work` returns; any error of it counts as a failure of the version, and is raised."""
    trial = lease.trial
    if trial is None or keyed is None:
        return work()
    began = trial.began(lease.role)
    try:
        answer = work()
    except BaseException:
        trial.ended(began, None, keyed.key, failed=True)
        raise
    trial.ended(began, score_of(outputs_of(answer)), keyed.key, failed=False)
    return answer


def score_of(outputs: Outputs) -> float | None:
    """Return one number for the first row: its prediction, or the expected class of several; None for texts."""
    name = next((name for name in _SCORES if name in outputs), next(iter(outputs), None))
    if name is None:
        return None
    values = np.asarray(outputs[name])
    if values.dtype.kind not in "fiub" or not values.size:
        return None
    row = (values[0] if values.ndim else values).reshape(-1).astype(float)
    if len(row) == 1:
        return float(row[0])
    total = float(np.abs(row).sum())
    return float((np.abs(row) * np.arange(len(row))).sum() / total) if total else 0.0
