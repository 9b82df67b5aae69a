"""Takes what was answered from the threads that answer, and writes it in a thread of its own."""

import logging
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from artifacts.prediction_log import names
from artifacts.prediction_log.keys import is_sampled
from artifacts.prediction_log.writer import LogWriter
from serving.prediction_log.answered import Answered, Waiting
from serving.prediction_log.layout import Layout, layout_of
from serving.prediction_log.settings import LogSettings

if TYPE_CHECKING:
    from serving.metrics import Metrics

_FLUSH_SECONDS = 1.0
"""Longest time that an answer waits in memory while the disk keeps up."""
_CLOSE_SECONDS = 10.0
_BATCH_ROWS = 8192
_BATCH_BYTES = 16 << 20
"""Memory of the answers in one record, unless one alone has more."""
_DAY_US = 86_400_000_000
_MOST_LAYOUTS = 256
_Kind = tuple[str, int, str]
"""Model, version and signature; what is logged of a row depends on them."""
_LOG = logging.getLogger("serving")


class PredictionLog:
    """The log of one process; `offer` may be called from any thread and never waits for the disk."""

    def __init__(
        self,
        settings: LogSettings,
        metrics: "Metrics",
        now_us: Callable[[], int] = lambda: time.time_ns() // 1000,
    ) -> None:
        """`now_us` gives the time in microseconds since 1970."""
        self._settings = settings
        self._now_us = now_us
        self._metrics = metrics
        self._waiting: deque[Waiting] = deque()
        self._held = 0
        """Bytes of the answers that wait or are being written."""
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._stopped = False
        self._layouts: dict[_Kind, Layout] = {}
        self._writers: dict[str, LogWriter] = {}
        self._faults: dict[str, str] = {}
        self._dropped: dict[str, Counter[str]] = {}
        """By model and reason, rows that were dropped since the last record."""
        self._thread = threading.Thread(target=self._run, name="prediction-log", daemon=True)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def close(self, seconds: float = _CLOSE_SECONDS) -> None:
        """Write what waits and finish the files, in so many seconds at most; call it after the last answer."""
        self._stopped = True
        self._wake.set()
        self._thread.join(seconds)
        if self._thread.is_alive():
            _LOG.error("the prediction log was not written to its end in %g s", seconds)

    def offer(self, answered: Answered) -> None:
        """Hand an answer over; it is dropped, and counted, when too much waits."""
        settings = self._settings
        if not settings.key_columns and not is_sampled(answered.request_id, settings.rate):
            return
        rows = answered.rows()
        if not rows:
            self._drop(answered.model, "not_rows", 1)
            return
        waiting = Waiting(answered, self._now_us(), rows, answered.memory(rows))
        with self._lock:
            is_taken = self._held + waiting.size <= settings.queue_bytes
            if is_taken:
                self._held += waiting.size
                self._waiting.append(waiting)
        if not is_taken:
            self._drop(answered.model, "queue", rows)
        if self._held > settings.queue_bytes // 2:
            self._wake.set()

    def _run(self) -> None:
        while not self._stopped:
            self._wake.wait(_FLUSH_SECONDS)
            self._wake.clear()
            self._write_waiting()
            for model, writer in self._writers.items():
                self._guarded(model, writer.finish_if_due)
        self._write_waiting()
        for model in [*self._dropped]:
            self._write_dropped(model)
        for model in [*self._writers]:
            self._guarded(model, self._writers[model].finish)

    def _write_waiting(self) -> None:
        """Write what waits now; what comes meanwhile is left for the next time, as a small batch costs as much."""
        count = len(self._waiting)
        while count > 0:
            batch = self._taken(count)
            count -= len(batch)
            try:
                for kind, entries in _by_kind_and_day(batch):
                    self._write(kind, entries)
            finally:
                with self._lock:
                    self._held -= sum(waiting.size for waiting in batch)

    def _taken(self, most: int) -> Sequence[Waiting]:
        """Take answers of a limited number of rows and bytes, at least one."""
        batch: list[Waiting] = []
        rows = size = 0
        while len(batch) < most and rows < _BATCH_ROWS and size < _BATCH_BYTES:
            batch.append(self._waiting.popleft())
            rows += batch[-1].rows
            size += batch[-1].size
        return batch

    def _write(self, kind: _Kind, entries: Sequence[Waiting]) -> None:
        """Encode and append; whatever fails is counted, and the server goes on."""
        from serving.prediction_log.rows import encode  # noqa: PLC0415 - Arrow, for the servers that log

        model, day = kind[0], names.day_of(entries[0].time_us)
        with self._lock:
            dropped = self._dropped.pop(model, Counter())
        try:
            record, rows = encode(entries, self._layout(kind, entries[0].answered), self._settings, dropped)
        except Exception:
            _LOG.exception("%s: answers could not be encoded for the prediction log", model)
            self._put_back(model, dropped)
            self._drop(model, "error", sum(entry.rows for entry in entries))
            return
        writer = self._writer(model)
        written = self._guarded(model, lambda: writer.append(record, day)) if rows or dropped else 0
        if written is None:
            self._put_back(model, dropped)
            self._drop(model, "disk", rows)
            return
        self._metrics.logged_rows.labels(model).inc(rows)
        self._metrics.logged_bytes.labels(model).inc(written)

    def _write_dropped(self, model: str) -> None:
        """Write a record without rows, for what was dropped after the last one."""
        from serving.prediction_log.rows import without_rows  # noqa: PLC0415 - as above

        if model in self._writers:
            record, day = without_rows(self._dropped.pop(model)), names.day_of(self._now_us())
            self._guarded(model, lambda: self._writers[model].append(record, day))

    def _guarded(self, model: str, work: Callable[[], int | None]) -> int | None:
        """Do something with the disk; None when it fails, which is in the log when it begins, changes or ends."""
        try:
            done = work() or 0
        except OSError as error:
            fault = f"{error.strerror}"
            if self._faults.get(model) != fault:
                _LOG.error("%s: the prediction log cannot be written: %s; answers go on", model, error)
            self._faults[model] = fault
            return None
        if self._faults.pop(model, None):
            _LOG.info("%s: the prediction log is written again", model)
        return done

    def _writer(self, model: str) -> LogWriter:
        if model not in self._writers:
            self._writers[model] = LogWriter(
                self._settings.folder / model, self._settings.rotation, lambda: self._now_us() / 1e6
            )
        return self._writers[model]

    def _layout(self, kind: _Kind, first: Answered) -> Layout:
        if kind not in self._layouts:
            if len(self._layouts) >= _MOST_LAYOUTS:
                self._layouts.clear()
            self._layouts[kind] = layout = layout_of(first, self._settings)
            for remark in layout.remarks:
                _LOG.warning("%s version %d: the prediction log has %s", kind[0], kind[1], remark)
        return self._layouts[kind]

    def _drop(self, model: str, reason: str, rows: int) -> None:
        self._metrics.log_dropped.labels(model, reason).inc(rows)
        self._put_back(model, {reason: rows})

    def _put_back(self, model: str, dropped: Mapping[str, int]) -> None:
        """Note rows that were dropped, for the next record of a model."""
        with self._lock:
            self._dropped.setdefault(model, Counter()).update(dropped)


def _by_kind_and_day(batch: Sequence[Waiting]) -> Iterator[tuple[_Kind, Sequence[Waiting]]]:
    found: dict[tuple[_Kind, int], list[Waiting]] = {}
    for waiting in batch:
        answered = waiting.answered
        kind = answered.model, answered.version, answered.signature.name
        found.setdefault((kind, waiting.time_us // _DAY_US), []).append(waiting)
    for (kind, _), entries in found.items():
        yield kind, entries
