"""Ports for the servers that tests start."""

import itertools
import os
import socket

LOWEST, COUNT, STEP = 10_000, 22_000, 3

# Below the range that the kernel hands out to outgoing connections (32768 and up on Linux): a port from there
# can be taken by any connection on the machine between this look and the server's start. Test processes begin
# far apart, by their process ids.
_ports = itertools.count(os.getpid() * 97 * STEP % COUNT, STEP)


def free_port() -> int:
    """A port that is free, as are the one below and the one above it (gRPC and health)."""
    for offset in itertools.islice(_ports, COUNT // STEP):
        port = LOWEST + offset % COUNT
        if all(_is_free(neighbour) for neighbour in (port - 1, port, port + 1)):
            return port
    raise RuntimeError(f"no three free ports in a row between {LOWEST} and {LOWEST + COUNT}")


def _is_free(port: int) -> bool:
    try:
        with socket.create_server(("", port)):
            return True
    except OSError:
        return False
