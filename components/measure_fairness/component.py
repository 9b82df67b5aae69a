from kfp import dsl

from core.images import BASE, image


@dsl.component(base_image=BASE, target_image=image("tfx"))
def measure_fairness(
    config: dict,
    schema: str,
    examples: dsl.Input[dsl.Dataset],
    model: dsl.Input[dsl.Model],
    fairness: dsl.Output[dsl.Artifact],
    decision: dsl.Output[dsl.Artifact],
    metrics: dsl.Output[dsl.Metrics],
    pictures: dsl.Output[dsl.HTML],
) -> bool:
    """Measure the rates of each group on the `eval` split; returns true when every gap is small enough.

    Args:
        config: The `measure_fairness` section of the use case's configuration.
        schema: The curated schema, as `path@digest`; it may keep groups out of serving.
        examples: Splits of tf.Example.
        model: The candidate, with its SavedModel in `Format-Serving/`.
        fairness: `fairness.json`: rates, gaps and swaps with their intervals.
        decision: The gate's decision, one check per rule and group.
        metrics: The gaps that rules are about, for the dashboard.
        pictures: Rates by group and threshold, gaps and calibration as one HTML fragment.
    """
    from components.measure_fairness.config import Config
    from components.measure_fairness.logic import Inputs, Outputs, measure

    inputs = Inputs(schema, examples.path, model.path)
    outputs = Outputs(fairness.path, decision.path, pictures.path, metrics.log_metric)
    return measure(Config.model_validate(config), inputs, outputs).is_open
