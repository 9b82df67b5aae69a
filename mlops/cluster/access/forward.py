"""Forwards a port of this machine to a service in the cluster, with `kubectl port-forward`."""

import socket
import subprocess
import threading
import time
from collections import deque

from mlops.cluster.errors import ClusterError
from mlops.cluster.programs.kubectl import Kubectl

OPEN_SECONDS = 30.0
_RESTARTS = 5
_PAUSE = 0.05


class Forward:
    """A forwarded port: opened by `open`, reopened when the connection drops, closed when this process ends."""

    def __init__(self, kubectl: Kubectl, service: str, namespace: str, port: int) -> None:
        self.kubectl = kubectl
        self.target = (service, namespace, port)
        self.port = _free_port()
        self._output: deque[str] = deque(maxlen=5)
        self._opened, self._closing = threading.Event(), threading.Event()
        self._keeper = threading.Thread(target=self._keep, daemon=True)

    def open(self) -> str:
        """Start forwarding and return the address once it accepts connections; ClusterError after `OPEN_SECONDS`."""
        self._keeper.start()
        end = time.monotonic() + OPEN_SECONDS
        while not _accepts(self.port):
            if not self._keeper.is_alive() or time.monotonic() > end:
                self.close()
                service, namespace, port = self.target
                raise ClusterError(
                    f"{namespace}/{service}:{port} cannot be reached: {' '.join(self._output) or 'no answer'}; "
                    "`mlops cluster status` shows what is not ready"
                )
            time.sleep(_PAUSE)
        self._opened.set()
        return f"http://127.0.0.1:{self.port}"

    def close(self) -> None:
        """End kubectl and the thread that watches it."""
        self._closing.set()
        self._keeper.join(timeout=10)

    def _keep(self) -> None:
        """Run kubectl until `close`, and start it again when it ends after it was open.

        The kernel ends a child with the thread that started it, so this one thread starts all of them.
        """
        service, namespace, port = self.target
        argv = self.kubectl.argv(
            "port-forward", "--namespace", namespace, "--address=127.0.0.1", f"service/{service}", f"{self.port}:{port}"
        )
        for attempt in range(1 + _RESTARTS):
            with self.kubectl.commands.background(argv) as process:
                listener = threading.Thread(target=self._listen, args=(process,), daemon=True)
                listener.start()
                while process.poll() is None and not self._closing.wait(_PAUSE):
                    pass
                process.terminate()
                listener.join(timeout=2)  # reads its last lines before the pipe is closed
            if not self._opened.is_set() or self._closing.wait(attempt):
                return

    def _listen(self, process: "subprocess.Popen[str]") -> None:
        assert process.stderr is not None
        self._output.extend(line.strip() for line in process.stderr if line.strip())


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def _accepts(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False
