"""One run's view of the warm processes: which one serves which image, and when they are started."""

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

from localrun.environments.environment import Environment, image_name, stands_for
from localrun.errors import LocalrunError
from localrun.events import HostReady, HostStarting
from localrun.execution.attempt import is_warm, told
from localrun.execution.context import Context
from localrun.execution.loop import Loop
from localrun.graph.coming import Coming
from localrun.hosts.host import Deliver, Host, Message
from localrun.spec.commands import function_name
from localrun.spec.pipeline import Container


class Fleet:
    """Starts hosts when they are first needed and tells the loop when they are ready."""

    def __init__(self, context: Context, loop: Loop) -> None:
        self.context = context
        self.loop = loop
        self._hosts: dict[tuple[str, bool], Host] = {}
        self._watching: list[tuple[Host, Deliver]] = []
        self._foreseen: dict[str, Coming] = {}
        """By function, while the host of its task is not ready."""

    def environment(self, container: Container) -> Environment:
        """The environment that stands for a container's image."""
        return stands_for(container.image, self.context.environments)

    def host(self, container: Container) -> Host:
        """The warm process for a container, started when it is first asked for, and again when it died at work."""
        environment = self.environment(container)
        key = (self._name(container.image), is_warm(container, environment))
        host = self._hosts.get(key)
        if host is None or (host.error and host.seconds is not None):
            assert self.context.hosts is not None
            host = self._hosts[key] = self.context.hosts.get(environment, executes=key[1])
            if all(host is not known for known, _ in self._watching):
                self._watch(host, key[0])
        return host

    def warm(self, containers: list[Container]) -> None:
        """Start every host that these containers will need, so that imports run beside the first tasks."""
        for container in containers:
            self.host(container)

    def submit(self, container: Container, execution: str, launch: Path, deliver: Callable[[Message], None]) -> None:
        """Have a task started; the message of its end arrives in the loop."""

        def arrived(message: Message) -> None:
            self.loop.post(partial(deliver, message))

        self._foreseen.pop(function_name(container), None)
        try:
            self.host(container).submit(execution, launch, arrived, function_name(container))
        except LocalrunError as error:
            arrived({"event": "ended", "error": str(error), "begun": False})

    def foresee(self, tasks: Iterable[Coming]) -> None:
        """Have the processes of tasks that may come next prepare for them, as soon as a host is there to fork them."""
        for one in tasks:
            container = one.container
            if container.has_open_image:
                continue
            environment, function = self.environment(container), function_name(container)
            module = environment.imports.get(function, "")
            host = self._hosts.get((self._name(container.image), True))
            if not module or host is None:
                continue
            if host.is_ready:
                host.foresee(function, module, told(one.known, container, environment))
            else:
                self._foreseen[function] = one

    def memory(self, container: Container, execution: str) -> int:
        """Bytes that a task uses now."""
        return self.host(container).memory(execution)

    def close(self) -> None:
        """Stop listening; the owner of the hosts ends them."""
        for host, deliver in self._watching:
            host.unwatch(deliver)

    def _name(self, image: str) -> str:
        """Name an image as its environment is named: with its version only where that matters."""
        return image if image in self.context.environments else image_name(image)

    def _watch(self, host: Host, image: str) -> None:
        def changed(message: Message) -> None:
            self.loop.post(partial(self._changed, image, message))

        if not host.is_ready:
            self.context.options.on_event(HostStarting(image))
        self._watching.append((host, changed))
        host.watch(changed)

    def _changed(self, image: str, message: Message) -> None:
        if message["event"] == "ready":
            self.context.options.on_event(HostReady(image, message["seconds"]))
            foreseen, self._foreseen = self._foreseen, {}
            self.foresee(foreseen.values())
