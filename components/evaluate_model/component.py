from kfp import dsl

from core.images import BASE, image


@dsl.component(base_image=BASE, target_image=image("tfx"))
def evaluate_model(
    config: dict,
    schema: str,
    examples: dsl.Input[dsl.Dataset],
    model: dsl.Input[dsl.Model],
    champion: str,
    registry: str,
    evaluation: dsl.Output[dsl.Artifact],
    decision: dsl.Output[dsl.Artifact],
    metrics: dsl.Output[dsl.Metrics],
    pictures: dsl.Output[dsl.HTML],
) -> bool:
    """Evaluate the candidate on the `eval` split; returns true when it is blessed.

    Args:
        config: The `evaluate_model` section of the use case's configuration.
        schema: The curated schema, as `path@digest`.
        examples: Splits of tf.Example; the candidate is evaluated on `eval`, baselines are fitted on `train`.
        model: The candidate, with its SavedModel in `Format-Serving/`.
        champion: The version in production as `<version>@<digest>`; empty when there is none.
        registry: Root of the model registry.
        evaluation: `metrics.json`, `parity.jsonl` and TFMA's output in `tfma/`.
        decision: The gate's decision, one check per rule and slice.
        metrics: The overall metrics, for the dashboard.
        pictures: Curves, slices, comparisons and the worst mistakes as one HTML fragment.
    """
    from components.evaluate_model.config import Config
    from components.evaluate_model.logic import Inputs, Outputs, evaluate

    inputs = Inputs(schema, examples.path, model.path, champion, registry)
    outputs = Outputs(evaluation.path, decision.path, pictures.path, metrics.log_metric)
    return evaluate(Config.model_validate(config), inputs, outputs).is_open
