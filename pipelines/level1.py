"""Level 1: continuous training. New data in; a better model in production, or the reason why not."""

from kfp import dsl

from pipelines import segments
from pipelines.config import UseCase
from pipelines.labels import with_labels


def level1(usecase: UseCase) -> dsl.base_component.BaseComponent:
    """Wire continuous training for one use case."""

    @dsl.pipeline(
        name=f"{usecase.name.replace('_', '-')}-level1",
        description="Continuous training: data to production, through every gate.",
    )
    @with_labels(usecase)
    def continuous_training(
        source: str, span: int, data: str, champion: str, registry: str, submission: str, labels: str
    ) -> None:
        in_production = segments.InProduction(champion, registry)
        validated = segments.validated_data(usecase, segments.PinnedSource(source, span, data), labels)
        candidate = segments.candidate(usecase, validated, in_production)
        with segments.if_passed_all(usecase, candidate) as evidence:
            segments.pushed(usecase, candidate, evidence, segments.Destination(champion, registry, submission))

    return continuous_training
