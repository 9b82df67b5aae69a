"""Level 0: experiments. The steps of level 1 up to the last gate, after which a person pushes; a search alone."""

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


def tuning(usecase: UseCase) -> dsl.base_component.BaseComponent:
    """Wire the search of hyperparameters for one use case; no model is trained for production."""

    @dsl.pipeline(
        name=f"{usecase.name.replace('_', '-')}-tuning",
        description="Tuning: hyperparameters, compared with those in use on a span that no trial was trained on.",
    )
    @with_labels(usecase)
    def search(source: str, span: int, data: str, registry: str, labels: str) -> None:
        validated = segments.validated_data(usecase, segments.PinnedSource(source, span, data), labels)
        segments.tuned_model(usecase, segments.prepared_data(usecase, validated), registry)

    return search
