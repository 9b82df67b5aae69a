"""Tasks that were started before all that they wait for had ended: how they end counts only afterwards."""

from collections.abc import Callable, Collection

from localrun.execution.context import Job
from localrun.execution.loop import Action
from localrun.execution.options import Options
from localrun.graph.nodes import Node


def functions_ahead(options: Options) -> Collection[str]:
    """Return the functions of which a task may start ahead: none where it would keep another one waiting."""
    return options.ahead if options.workers > 1 else ()


class Ahead:
    """Holds the ends of such tasks back; belongs to the scheduler's thread."""

    def __init__(self, refuse: Callable[[Job], None], stop: Callable[[Node], None]) -> None:
        """`refuse` ends a task as if it had never started, `stop` has one end that is still under way."""
        self._refuse = refuse
        self._stop = stop
        self._held: dict[Node, tuple[Job, Action]] = {}

    def count(self, job: Job, end: Action) -> None:
        """End a task, or hold its end back until its turn has come."""
        if job.node.is_ahead:
            self._held[job.node] = (job, end)
        elif job.node.refused is not None:
            self._refuse(job)
        else:
            end()

    def joined(self, node: Node) -> None:
        """What a task waits for has ended: its own end counts, whether it is known already or not, or it is refused."""
        if node in self._held:
            self.count(*self._held.pop(node))
        elif node.refused is not None:
            self._stop(node)
