"""The records of a run's tasks: all that are known from the start, and those that loops bring up on the way."""

from collections.abc import Mapping
from dataclasses import replace

from localrun.events import TaskChanged
from localrun.execution.context import Context
from localrun.graph.nodes import containers, leaves
from localrun.records import State, TaskRun, Values
from localrun.spec.commands import function_name
from localrun.spec.pipeline import Component, Container
from localrun.store.journal import Execution


def fresh(path: str, component: Component) -> TaskRun:
    """Return the record of a task that nothing has happened to."""
    name = path.rpartition("/")[2]
    container = component.implementation
    if isinstance(container, Container):
        return TaskRun(path, name, component.name, function_name(container), container.image)
    return TaskRun(path, name, component.name, "")


class Roster:
    """Keeps the records in the order in which tasks came up, journals every change and reports it as an event."""

    def __init__(self, context: Context, tasks: Mapping[str, TaskRun]) -> None:
        self.context = context
        self.tasks = dict(tasks)
        """By path; those that have SUCCEEDED before are not run again."""
        self._positions = {path: position for position, path in enumerate(tasks)}
        self._components = {path: component for path, _, component in leaves(context.pipeline)}

    def __getitem__(self, path: str) -> TaskRun:
        return self.tasks[path]

    def add(self, path: str, component: Component) -> None:
        """A task has come up; it may be known from before the run was interrupted."""
        self._components[path] = component
        if path not in self.tasks:
            self._positions[path] = len(self._positions)
            self.record(fresh(path, component))

    def record(self, task: TaskRun) -> None:
        """Keep a task's new state."""
        self.tasks[task.path] = task
        self.context.journal.write_task(self.context.run_id, self._positions[task.path], task)
        self.context.options.on_event(TaskChanged(task))

    def write_execution(self, task: TaskRun, state: State, outputs: Values, key: str) -> None:
        """Journal an attempt of a task."""
        context = self.context
        context.journal.write_execution(
            Execution(task.execution, context.run_id, task.path, context.pipeline.name, key, state, outputs)
        )

    def reset(self, prefix: str) -> None:
        """Everything under a prefix that has not succeeded will be tried again."""
        for path, task in self.tasks.items():
            if path.startswith(prefix) and task.state is not State.SUCCEEDED:
                self.record(replace(task, state=State.PENDING))

    def pending(self) -> list[Container]:
        """Return the commands of all tasks that may still run."""
        paths = [path for path, task in self.tasks.items() if task.state is State.PENDING and path in self._components]
        found = [c for path in paths for c in containers(self.context.pipeline, self._components[path])]
        return [container for container in found if not container.has_open_image]
