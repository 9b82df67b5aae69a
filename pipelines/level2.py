"""Level 2: continuous delivery. A commit in; a release that the first environment runs, ready for the next ones."""

from kfp import dsl

from pipelines import segments
from pipelines.config import UseCase
from pipelines.labels import with_labels


def level2(usecase: UseCase) -> dsl.base_component.BaseComponent:
    """Wire continuous delivery for one use case: continuous training, then its release."""

    @dsl.pipeline(
        name=f"{usecase.name.replace('_', '-')}-level2",
        description="Continuous delivery: data and code to a release, through every gate.",
    )
    @with_labels(usecase)
    def continuous_delivery(
        source: str,
        span: int,
        data: str,
        champion: str,
        registry: str,
        submission: str,
        build: str,
        releases: str,
        environments: str,
        labels: str,
    ) -> None:
        in_production = segments.InProduction(champion, registry)
        destination = segments.Destination(champion, registry, submission)
        validated = segments.validated_data(usecase, segments.PinnedSource(source, span, data), labels)
        candidate = segments.candidate(usecase, validated, in_production)
        with segments.if_passed_all(usecase, candidate) as evidence:
            pushed = segments.pushed(usecase, candidate, evidence, destination)
            with dsl.If(pushed.outputs["Output"] != "", name="pushed"):
                delivery = segments.Delivery(build, releases, environments)
                segments.released(usecase, pushed, evidence, delivery, destination)

    return continuous_delivery
