"""Whether this process can be forked, so that a child has what it has imported."""

import sys
import threading
from pathlib import Path


def is_forkable() -> bool:
    """Whether a fork of this process can work: no thread of Python, of gRPC, or of a TensorFlow that has computed.

    Imports alone start the threads of OpenBLAS, which have the name of the process, and of Arrow's allocator; both
    libraries see to forks.
    """
    tasks = [path.read_text(encoding="utf-8") for path in Path("/proc/self/task").glob("*/comm")]
    own = Path("/proc/self/comm").read_text(encoding="utf-8")
    if threading.active_count() > 1 or set(tasks) - {own, "jemalloc_bg_thd\n"}:
        return False
    tensorflow = sys.modules.get("tensorflow.python.eager.context")
    return tensorflow is None or not tensorflow.context()._initialized
