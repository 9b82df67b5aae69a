"""Python beside TensorFlow: while epochs run in traced functions, nothing of Python has to wait for them."""

import logging
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

log = logging.getLogger(__name__)
_SWITCH_SECONDS = 0.0005
"""How long one thread of Python keeps another waiting: the loop that begins the next epoch must not wait 5 ms at each
of its calls."""


@contextmanager
def meanwhile(work: Callable[[], None]) -> Iterator[Callable[[], None]]:
    """Yield what begins some work in a thread; the block ends when both have ended.

    An error of the work is not raised: whoever needs its outcome does it again, and fails where it is expected.
    """

    def attempt() -> None:
        try:
            work()
        except Exception:  # anything, as it may be the user's code that is traced
            log.debug("ahead of time", exc_info=True)

    thread = threading.Thread(target=attempt, name="meanwhile", daemon=True)
    before = sys.getswitchinterval()
    sys.setswitchinterval(_SWITCH_SECONDS)
    try:
        yield thread.start
    finally:
        if thread.ident is not None:
            thread.join()
        sys.setswitchinterval(before)
