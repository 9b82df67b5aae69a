"""The memory that writing an answer takes, measured in a process of its own."""

import tracemalloc
from collections.abc import Mapping

from serving.bodies import responses
from serving.bodies.columns import Column


def peak_of_writing(outputs: Mapping[str, Column], rows: int) -> int:
    """Return the most bytes that were taken while both forms of the answer were written."""
    tracemalloc.start()
    try:
        for form in ("instances", "inputs"):
            responses.predict_body(outputs, rows, form)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
