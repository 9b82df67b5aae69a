"""Level 0: an experiment. The same steps as level 1 up to the last gate; a person pushes the model, or not."""

from kfp import dsl

from pipelines import segments
from pipelines.config import UseCase
from pipelines.labels import with_labels


def level0(usecase: UseCase) -> dsl.base_component.BaseComponent:
    """Wire the experiment for one use case."""

    @dsl.pipeline(
        name=f"{usecase.name.replace('_', '-')}-level0",
        description="Experiment: data to verdict; pushing is done by hand.",
    )
    @with_labels(usecase)
    def experiment(source: str, span: int, data: str, champion: str, registry: str, labels: str) -> None:
        in_production = segments.InProduction(champion, registry)
        validated = segments.validated_data(usecase, segments.PinnedSource(source, span, data), labels)
        candidate = segments.candidate(usecase, validated, in_production)
        segments.asked(usecase, candidate)

    return experiment
