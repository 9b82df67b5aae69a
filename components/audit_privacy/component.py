from kfp import dsl

from core.images import BASE, image


@dsl.component(base_image=BASE, target_image=image("tfx"))
def audit_privacy(
    config: dict,
    schema: str,
    examples: dsl.Input[dsl.Dataset],
    model: dsl.Input[dsl.Model],
    evaluation: dsl.Input[dsl.Artifact],
    privacy: dsl.Output[dsl.Artifact],
    decision: dsl.Output[dsl.Artifact],
    metrics: dsl.Output[dsl.Metrics],
    pictures: dsl.Output[dsl.HTML],
) -> bool:
    """Search for personal data, and measure how far rows and membership can be inferred; returns true when it passes.

    Args:
        config: The `audit_privacy` section of the use case's configuration, with the scope.
        schema: Reference of the curated schema, whose annotations say which features are personal.
        examples: The examples that the model was trained and evaluated on.
        model: The model, with its SavedModel in `Format-Serving/`.
        evaluation: The output of `evaluate_model`, whose files are searched too.
        privacy: `privacy.json`: what was found, k-anonymity, and membership inference.
        decision: The gate's decision.
        metrics: Smallest group, share of unique rows, and the attack's AUC.
        pictures: The same as one HTML fragment.
    """
    from components.audit_privacy.config import Config
    from components.audit_privacy.logic import Inputs, Outputs, audit

    inputs = Inputs.at(schema, examples.path, model.path, evaluation.path)
    outputs = Outputs(privacy.path, decision.path, pictures.path, metrics.log_metric)
    return audit(Config.model_validate(config), inputs, outputs).is_open
