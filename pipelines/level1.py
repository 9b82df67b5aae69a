"""Level 1: continuous training. New data in, a better model in production or a reason why not."""

from kfp import dsl

from pipelines import segments
from pipelines.config import UseCase


def level1(usecase: UseCase) -> dsl.base_component.BaseComponent:
    """Wire continuous training for one use case."""

    @dsl.pipeline(
        name=f"{usecase.name.replace('_', '-')}-level1",
        description="Continuous training: data to production, through every gate.",
    )
    def continuous_training(source: str, span: int, data: str, champion: str, registry: str, submission: str) -> None:
        rival = segments.Rival(champion, registry)
        validated = segments.validated_data(usecase, segments.Window(source, span, data))
        candidate = segments.candidate(usecase, validated, rival)
        with dsl.If(candidate.blessed == True, name="blessed"):  # noqa: E712 - traced into the compiled condition
            infra = segments.served(usecase, candidate)
            with dsl.If(infra.outputs["Output"] == True, name="servable"):  # noqa: E712 - as above
                segments.pushed(usecase, candidate, infra, segments.Target(champion, registry, submission))

    return continuous_training
