"""A process that loads models can answer, and can reach nothing by itself."""

import os
import socket
import sys
import threading
from collections.abc import Callable

import pytest

from serving.processes.no_network import deny_network

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="no other system has seccomp")


def in_child(work: Callable[[], list[str]]) -> list[str]:
    """Run work in a forked process, which cannot get the network back, and return what it says."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.write(writing, "\n".join(work()).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as stream:
        content = stream.read()
    os.waitpid(pid, 0)
    return content.splitlines()


def tried(**ways: Callable[[], object]) -> list[str]:
    """Return which ways the system refuses."""
    refused = []
    for name, way in ways.items():
        try:
            way()
        except PermissionError:
            refused.append(name)
        except OSError as error:
            refused.append(f"{name}: {error}")
    return refused


def test_it_can_neither_connect_nor_open_a_socket_to_send_with_and_threads_cannot_either() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = listener.getsockname()
        opened = socket.socket()

        def ways() -> list[str]:
            return tried(
                connect=lambda: opened.connect(address),
                fast=lambda: opened.sendto(b"x", socket.MSG_FASTOPEN, address),
                message=lambda: opened.sendmsg([b"x"], [], socket.MSG_FASTOPEN, address),
                tcp=socket.socket,
                tcp6=lambda: socket.socket(socket.AF_INET6),
                udp=lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM),
                raw=lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW),
                netlink=lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW),
            )

        def work() -> list[str]:
            found: list[str] = []
            started, go = threading.Event(), threading.Event()

            def before() -> None:
                started.set()
                go.wait(60)
                found.extend(f"thread {way}" for way in ways())

            thread = threading.Thread(target=before)  # started before the network is denied
            thread.start()
            started.wait(60)
            denied = deny_network()
            go.set()
            thread.join(60)
            return [str(denied), *ways(), *found]

        names = ["connect", "fast", "message", "tcp", "tcp6", "udp", "raw", "netlink"]
        assert in_child(work) == ["True", *names, *(f"thread {name}" for name in names)]
        opened.close()


def test_it_still_answers_on_the_socket_that_it_was_given() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def work() -> list[str]:
            deny_network()
            connection, _ = listener.accept()
            asked = connection.recv(100)
            connection.sendall(asked.upper())
            ours, others = socket.socketpair()
            ours.sendall(b"between processes")
            return [others.recv(100).decode()]

        client = socket.create_connection(listener.getsockname(), timeout=120)
        client.sendall(b"rows")
        assert in_child(work) == ["between processes"]
        assert client.recv(100) == b"ROWS"
        client.close()


def test_with_grpc_it_may_listen_on_tcp_and_no_more() -> None:
    def work() -> list[str]:
        deny_network(listens=True)
        listener = socket.create_server(("127.0.0.1", 0))
        address = listener.getsockname()
        return tried(
            listen=lambda: socket.create_server(("127.0.0.1", 0)),
            connect=lambda: socket.create_connection(address),
            udp=lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM),
            flagged=lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC),
            netlink=lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW),
        )

    assert in_child(work) == ["connect", "udp", "flagged", "netlink"]


def test_a_system_that_cannot_do_it_is_said_once_and_serves(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("platform.machine", lambda: "riscv64")
    assert not deny_network()
    assert "models are loaded with access to the network" in caplog.text
