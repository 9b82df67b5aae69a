"""What each process found out about the label in its rows, as one finding about all rows."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from training.labels import Observed


def facts(observed: Observed) -> dict[str, Any]:
    """Return what was found out, as JSON."""
    sample = None if observed.sample is None else [values.tolist() for values in observed.sample]
    return {
        "is_same": observed.is_same,
        "is_function": observed.is_function,
        "classes": observed.classes,
        "most": observed.most,
        "sample": sample,
    }


def merge(observed: Observed, found: Sequence[Mapping[str, Any]]) -> None:
    """Set what all processes together found out."""
    observed.is_same = all(one["is_same"] for one in found)
    observed.is_function = all(one["is_function"] for one in found)
    observed.most = min(one["most"] for one in found)
    observed.classes = {}
    for one in found:
        for name, number in one["classes"].items():
            observed.is_function = observed.is_function and observed.classes.setdefault(name, number) == number
    observed.is_function = observed.is_function and len(observed.classes) <= observed.most
    sample = next((one["sample"] for one in found if one["sample"] is not None), None)
    observed.sample = None if sample is None else (np.array(sample[0]), np.array(sample[1]))
