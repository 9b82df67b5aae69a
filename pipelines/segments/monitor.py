"""From what a model answered in production to the decision about it."""

from kfp import dsl

from pipelines.config import UseCase
from pipelines.segments.parts import Answered, Described, InProduction
from pipelines.segments.traced import run


def monitored(
    usecase: UseCase, trained_on: Described, answered: Answered, in_production: InProduction
) -> dsl.PipelineTask:
    """Join outcomes to logged predictions, and compare what was answered with what the model was trained on."""
    schema = usecase.schema_file
    joined = run(
        usecase,
        "join_feedback",
        name=usecase.name,
        schema=schema,
        **answered._asdict(),
        **in_production._asdict(),
    )
    served = run(usecase, "compute_statistics", examples=joined.outputs["examples"], schema=schema)
    return run(
        usecase,
        "monitor_model",
        schema=schema,
        registry=in_production.registry,
        examples=trained_on.examples,
        statistics=trained_on.statistics,
        served=served.outputs["statistics"],
        feedback=joined.outputs["feedback"],
    )
