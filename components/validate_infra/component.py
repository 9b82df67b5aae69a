from kfp import dsl

from core.images import BASE, image


@dsl.component(base_image=BASE, target_image=image("serving"))
def validate_infra(
    config: dict, model: dsl.Input[dsl.Model], evaluation: dsl.Input[dsl.Artifact], decision: dsl.Output[dsl.Artifact]
) -> bool:
    """Serve the exported model in a separate process, and compare its predictions with the evaluation's.

    Args:
        config: The `validate_infra` section of the use case's configuration.
        model: The trained model, with the SavedModel in `Format-Serving/`.
        evaluation: The output of `evaluate_model`, with raw rows and their predictions in `parity.jsonl`.
        decision: The gate's decision: one check each of start-up, answers, equality, missing features and latency.
    """
    from components.validate_infra.config import Config
    from components.validate_infra.logic import validate

    return validate(Config.model_validate(config), model.path, evaluation.path, decision.path).is_open
