"""The `scope_use_case` section: objectives, baseline, resources, risks and ethics of a use case."""

from typing import Annotated

from artifacts.cards.scope import Scope
from core.problem import FromProblem, Metric, Task


class Config(Scope):
    """The use case's scope; `task`, `label` and `metrics` come from the `problem` section."""

    label: Annotated[str, FromProblem("label")]
    task: Annotated[Task, FromProblem("task")]
    metrics: Annotated[tuple[Metric, ...], FromProblem("metrics")]
