from kfp import dsl

from core.images import BASE, image


@dsl.component(base_image=BASE, target_image=image("tfx"))
def explain_model(
    config: dict,
    schema: str,
    examples: dsl.Input[dsl.Dataset],
    model: dsl.Input[dsl.Model],
    explanations: dsl.Output[dsl.Artifact],
    decision: dsl.Output[dsl.Artifact],
    pictures: dsl.Output[dsl.HTML],
) -> bool:
    """Explain the candidate on the `eval` split; returns true when its explanations add up and are stable.

    Args:
        config: The `explain_model` section of the use case's configuration.
        schema: The curated schema, as `path@digest`.
        examples: Splits of tf.Example; rows of `eval` are explained, a second background is drawn from `train`.
        model: The candidate, with its SavedModel in `Format-Serving/`.
        explanations: `explanations.json`: importance by feature, and the explained rows.
        decision: The gate's decision: completeness, stability, and the shares of features that must not matter.
        pictures: Importance, dependence, the worst errors and heat maps as one HTML fragment.
    """
    from components.explain_model.config import Config
    from components.explain_model.logic import Inputs, Outputs, explain

    inputs = Inputs(schema, examples.path, model.path)
    outputs = Outputs(explanations.path, decision.path, pictures.path)
    return explain(Config.model_validate(config), inputs, outputs).is_open
