"""Single flight: of all tasks with one cache key, in this run and in others of the store, one computes at a time."""

import errno
import fcntl
import os
import struct
import threading
from collections import deque
from collections.abc import Callable

from localrun.store.layout import Layout, explained

Action = Callable[[], None]


class Flights:
    """Locks of the kernel, one byte of a file per key: they end with the process that holds them, however it ends."""

    def __init__(self, layout: Layout, post: Callable[[Action], None]) -> None:
        self._post = post
        """Has an action done in the run's own thread."""
        self._queues: dict[str, deque[Action]] = {}
        """Keys that this run computes or waits for, with its other tasks of the same key."""
        self._lock = threading.Lock()
        self._blocked = 0
        self._closed = False
        with explained(layout.flights):
            layout.root.mkdir(parents=True, exist_ok=True)
            self._file = os.open(layout.flights, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)

    def acquire(self, key: str, later: Action) -> bool:
        """Whether the key is free and now this run's; if not, `later` is handled in the loop when it has become so."""
        if key in self._queues:
            self._queues[key].append(later)
            return False
        self._queues[key] = deque()
        if self._take(key, fcntl.F_OFD_SETLK):
            return True
        with self._lock:
            self._blocked += 1
        threading.Thread(target=self._wait, args=(key, later), daemon=True, name="localrun-flight").start()
        return False

    def release(self, key: str) -> None:
        """Give a key up: its result is recorded, or there is none; the next that waits for it looks again."""
        queue = self._queues[key]
        if queue:
            self._post(queue.popleft())  # still this run's: its next task looks first
            return
        del self._queues[key]
        self._set(key, fcntl.F_UNLCK, fcntl.F_OFD_SETLK)

    def close(self) -> None:
        """Give every key back; threads that still wait for one give it back when they get it."""
        with self._lock:
            self._closed = True
            for key in self._queues:
                self._set(key, fcntl.F_UNLCK, fcntl.F_OFD_SETLK)
            if not self._blocked:
                os.close(self._file)

    def _wait(self, key: str, later: Action) -> None:
        self._take(key, fcntl.F_OFD_SETLKW)
        with self._lock:
            self._blocked -= 1
            if not self._closed:
                self._post(later)
                return
            self._set(key, fcntl.F_UNLCK, fcntl.F_OFD_SETLK)
            if not self._blocked:
                os.close(self._file)

    def _take(self, key: str, command: int) -> bool:
        try:
            self._set(key, fcntl.F_WRLCK, command)
        except OSError as error:
            if error.errno in {errno.EAGAIN, errno.EACCES}:
                return False
            raise
        return True

    def _set(self, key: str, kind: int, command: int) -> None:
        place = int(key.rpartition(":")[2][:14], 16)
        fcntl.fcntl(self._file, command, struct.pack("hhqqi0q", kind, os.SEEK_SET, place, 1, 0))
