"""Takes what was answered from the threads that answer, and writes it in a thread of its own."""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

from artifacts.prediction_log import names
from artifacts.prediction_log.keys import is_sampled
from artifacts.prediction_log.writer import LogWriter
from serving.prediction_log.answered import Answered, Waiting
from serving.prediction_log.layout import Layout, layout_of
from serving.prediction_log.retention import tidy
from serving.prediction_log.settings import LogSettings

if TYPE_CHECKING:
    from serving.metrics import Metrics

_FLUSH_SECONDS = 1.0
"""Longest time that an answer waits in memory while the disk keeps up."""
_TIDY_SECONDS = 60.0
_CLOSE_SECONDS = 10.0
_BATCH_ROWS = 2048
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
        self._tidy_at = 0.0
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
            self._keep_order()
        self._write_waiting()
        for model in [*self._writers]:
            self._guarded(model, self._writers[model].finish)

    def _write_waiting(self) -> None:
        """Write what waits now; what comes meanwhile is left for the next time, as a small batch costs as much."""
        count = len(self._waiting)
        while count > 0:
            batch = self._taken(count)
            count -= len(batch)
            try:
                for kind, entries in _by_kind(batch):
                    self._write(kind, entries)
            finally:
                with self._lock:
                    self._held -= sum(waiting.size for waiting in batch)

    def _taken(self, most: int) -> Sequence[Waiting]:
        """Take answers of a limited number of rows, at least one."""
        batch: list[Waiting] = []
        rows = 0
        while len(batch) < most and rows < _BATCH_ROWS:
            batch.append(self._waiting.popleft())
            rows += batch[-1].rows
        return batch

    def _write(self, kind: _Kind, entries: Sequence[Waiting]) -> None:
        """Encode and append; whatever fails is counted, and the server goes on."""
        from serving.prediction_log.rows import encode  # noqa: PLC0415 - Arrow, for the servers that log

        model, rows = kind[0], sum(entry.rows for entry in entries)
        try:
            records, times = encode(entries, self._layout(kind, entries[0].answered), self._settings)
        except Exception:
            _LOG.exception("%s: answers could not be encoded for the prediction log", model)
            self._drop(model, "error", rows)
            return
        days = times // _DAY_US
        for day in sorted({*days.tolist()}):
            of_day = [record for record, at in zip(records, days.tolist(), strict=True) if at == day]
            self._append(model, of_day, day)

    def _append(self, model: str, records: Sequence[bytes], day: int) -> None:
        writer = self._writer(model)
        written = self._guarded(model, lambda: writer.append(records, names.day_of(day * _DAY_US)))
        if written is None:
            self._drop(model, "disk", len(records))
            return
        self._metrics.logged_rows.labels(model).inc(len(records))
        self._metrics.logged_bytes.labels(model).inc(written)

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

    def _keep_order(self) -> None:
        for model, writer in self._writers.items():
            self._guarded(model, writer.finish_if_due)
        now = time.monotonic()
        if now >= self._tidy_at:
            self._tidy_at = now + _TIDY_SECONDS
            today = names.day_of(self._now_us())
            for model, writer in self._writers.items():
                self._guarded(model, partial(tidy, writer.folder, self._settings.retention, today))

    def _writer(self, model: str) -> LogWriter:
        if model not in self._writers:
            self._writers[model] = LogWriter(
                self._settings.folder / model, self._settings.rotation, lambda: self._now_us() / 1e6
            )
            self._tidy_at = 0.0
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


def _by_kind(batch: Sequence[Waiting]) -> Iterator[tuple[_Kind, Sequence[Waiting]]]:
    found: dict[_Kind, list[Waiting]] = {}
    for waiting in batch:
        answered = waiting.answered
        found.setdefault((answered.model, answered.version, answered.signature.name), []).append(waiting)
    yield from found.items()
