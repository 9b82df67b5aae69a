"""Lets Beam's local runner fail when a worker process dies, instead of waiting for its answer for ever.

Read from apache_beam 2.65 (`runners/portability/fn_api_runner/worker_handlers.py`, `local_job_service.py`): the thread
that waits for a worker's process raises when that dies, which nobody sees, and the requests that the worker has not
answered are waited for without a deadline. docs/adr/2026-11-28-ports-of-private-library-code.md applies.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from apache_beam.runners.portability.fn_api_runner.worker_handlers import SubprocessSdkWorkerHandler

READ_FROM = "2.65"
"""The version of apache_beam that this was read from."""
DEAD = "a worker process of Beam died"


@contextmanager
def notice_dead_workers() -> Iterator[None]:
    """Within the block, a pipeline whose worker dies fails with an error that contains `DEAD`."""
    start = SubprocessSdkWorkerHandler.start_worker

    def start_watched(handler: Any) -> None:
        start(handler)

        def watch() -> None:
            handler.worker_thread.join()  # the worker's process has ended
            if handler.control_conn._futures_by_id:
                handler.control_conn.abort(RuntimeError(f"{DEAD} (worker {handler.worker_id})"))

        threading.Thread(target=watch, name="beam-watch-worker", daemon=True).start()

    SubprocessSdkWorkerHandler.start_worker = start_watched
    try:
        yield
    finally:
        SubprocessSdkWorkerHandler.start_worker = start
