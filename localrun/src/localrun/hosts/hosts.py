"""The warm processes of this process: one per environment, started when it is first needed."""

import threading
from types import TracebackType
from typing import Self

from localrun.environments.environment import Environment
from localrun.hosts.host import Host
from localrun.hosts.lasting import Lasting

_EXECUTOR = "kfp.dsl.executor_main"


class Hosts:
    """The warm processes of this process; several runs can share them one after the other or at the same time."""

    def __init__(self, lasting: Lasting | None = None) -> None:
        """Have processes that outlive this one in a place, except those that hold secrets."""
        self._lasting = lasting
        self._hosts: dict[str, Host] = {}
        self._retired: list[Host] = []
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def get(self, environment: Environment, *, executes: bool) -> Host:
        """Return the host of an environment, started if need be; one for plain commands imports nothing."""
        preload = environment.preload if executes else ()
        if executes and _EXECUTOR not in preload:
            preload = (_EXECUTOR, *preload)
        key = f"{environment.key()} {preload}"
        with self._lock:
            host = self._hosts.get(key)
            if host is not None and host.is_stale():
                self._retire(host)
                host = None
            if host is None:
                host = self._hosts[key] = Host(environment, preload, self._kept(environment, preload))
            return host

    def _kept(self, environment: Environment, preload: tuple[str, ...]) -> Lasting | None:
        """Where the process outlives us; one that imports nothing starts as fast, and a secret must not stay."""
        return self._lasting if preload and not environment.passed else None

    def _retire(self, host: Host) -> None:
        """Replace a host; one with running tasks is closed later."""
        if host.is_busy:
            self._retired.append(host)
        else:
            host.close()

    def close(self) -> None:
        """End all of them."""
        with self._lock:
            hosts = [*self._hosts.values(), *self._retired]
            self._hosts, self._retired = {}, []
        for host in hosts:
            host.close()
