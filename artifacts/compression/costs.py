"""Measures files in bytes and calls in microseconds."""

import gzip
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from artifacts.compression.compression import Latency, Size
from artifacts.model.names import EXTRA, TFLITE

_SINGLE_CALLS, _BATCH_CALLS, _BATCH = 200, 10, 1000


def size_of(path: Path) -> Size:
    """Return the size of a file, or of a SavedModel without what TensorFlow ignores in it; each file compressed."""
    files = [path] if path.is_file() else _files(path)
    contents = [one.read_bytes() for one in files]
    return Size(raw=sum(map(len, contents)), gzip=sum(len(gzip.compress(one, mtime=0)) for one in contents))


def _files(folder: Path) -> list[Path]:
    ignored = {EXTRA, TFLITE}
    return [
        path
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.relative_to(folder).parts[0] not in ignored
    ]


def latency_of(call: Callable[[Mapping[str, Any]], object], packed: Mapping[str, Any]) -> Latency:
    """Return the median times of one row and of a thousand, repeated where there are fewer."""
    one = {name: values[:1] for name, values in packed.items()}
    rows = len(next(iter(packed.values())))
    chosen = np.arange(_BATCH) % rows
    many = {name: values[chosen] for name, values in packed.items()}
    row, thousand = latency_of_calls(lambda: call(one), lambda: call(many))
    return Latency(row_us=row, thousand_rows_us=thousand)


def latency_of_calls(one: Callable[[], object], many: Callable[[], object]) -> tuple[float, float]:
    """Return the median microseconds of a call with one row, and of one with many."""
    return _median(one, _SINGLE_CALLS), _median(many, _BATCH_CALLS)


def _median(call: Callable[[], object], calls: int) -> float:
    call()  # the first one allocates
    times = []
    for _ in range(calls):
        started = time.perf_counter()
        call()
        times.append(time.perf_counter() - started)
    return statistics.median(times) * 1e6
