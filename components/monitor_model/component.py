from kfp import dsl

from core.images import BASE, image


@dsl.component(base_image=BASE, target_image=image("tfx"))
def monitor_model(
    config: dict,
    schema: str,
    registry: str,
    examples: dsl.Input[dsl.Dataset],
    statistics: dsl.Input[dsl.Artifact],
    served: dsl.Input[dsl.Artifact],
    feedback: dsl.Input[dsl.Artifact],
    decision: dsl.Output[dsl.Artifact],
    findings: dsl.Output[dsl.Artifact],
    pictures: dsl.Output[dsl.HTML],
) -> bool:
    """Compare what the model in production is asked and answers with what it was trained on; true when all is well.

    Args:
        config: The `monitor_model` section of the use case's configuration.
        schema: Reference of the curated schema.
        registry: Root of the model registry.
        examples: The examples that the model in production was trained and evaluated on.
        statistics: The statistics of those examples.
        served: The statistics of the rows that it answered, in the newest window and the one before it.
        feedback: The output of `join_feedback`.
        decision: One check per bound; undecided where there are too few rows or labels.
        findings: Alarms by cause, what was not measured, and the live metrics, as one JSON file.
        pictures: Each feature beside training, the scores, and the live metric over time with deployments.
    """
    from components.monitor_model.config import Config
    from components.monitor_model.logic import Inputs, Outputs, monitor

    inputs = Inputs(schema, registry, examples.path, statistics.path, served.path, feedback.path)
    outputs = Outputs(decision.path, findings.path, pictures.path)
    return monitor(Config.model_validate(config), inputs, outputs).is_open
