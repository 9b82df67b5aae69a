"""Level 0: an experiment by hand. The same steps as Level 1 up to the verdict; pushing is a person's own decision."""

from kfp import dsl

from pipelines import segments
from pipelines.config import UseCase


def level0(usecase: UseCase) -> dsl.base_component.BaseComponent:
    """Wire the experiment for one use case."""

    @dsl.pipeline(
        name=f"{usecase.name.replace('_', '-')}-level0",
        description="Experiment: data to verdict; pushing is done by hand.",
    )
    def experiment(source: str, span: int, data: str, champion: str, registry: str) -> None:
        rival = segments.Rival(champion, registry)
        validated = segments.validated_data(usecase, segments.Window(source, span, data))
        candidate = segments.candidate(usecase, validated, rival)
        segments.served(usecase, candidate)

    return experiment
