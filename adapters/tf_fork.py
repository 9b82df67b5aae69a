"""Child processes that need TensorFlow: forked while this process has only imported it, so that none imports it again.

TensorFlow keeps whether it was used in a private attribute, which is read as it is in 2.16.
"""

import ctypes
import multiprocessing
import signal
import sys
from multiprocessing.context import ForkContext, SpawnContext

_DIE_WITH_PARENT = 1
"""Linux' PR_SET_PDEATHSIG."""


def context() -> ForkContext | SpawnContext:
    """Return how `multiprocessing` may start a child: a fork of a process whose TensorFlow has threads would hang."""
    tensorflow = sys.modules.get("tensorflow.python.eager.context")
    is_used = tensorflow is not None and tensorflow._context is not None and tensorflow._context._initialized
    return multiprocessing.get_context("spawn") if is_used else multiprocessing.get_context("fork")


def die_with_parent() -> None:
    """End this child when its parent is killed: it would wait for its next work for ever."""
    ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)
