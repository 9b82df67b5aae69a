"""Monitoring: what the model in production was asked and answered, beside what it was trained on."""

from kfp import dsl

from pipelines import segments
from pipelines.config import UseCase


def monitoring(usecase: UseCase) -> dsl.base_component.BaseComponent:
    """Wire the monitor for one use case."""

    @dsl.pipeline(
        name=f"{usecase.name.replace('_', '-')}-monitoring",
        description="Monitoring: the model in production beside its training, point in time.",
    )
    def watch(source: str, span: int, data: str, champion: str, registry: str, snapshot: str, as_of: str) -> None:
        trained_on = segments.described_data(usecase, segments.PinnedSource(source, span, data))
        answered = segments.Answered(snapshot, as_of)
        segments.monitored(usecase, trained_on, answered, segments.InProduction(champion, registry))

    return watch
