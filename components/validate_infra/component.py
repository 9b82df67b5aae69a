from kfp import dsl

from core.images import BASE, image


@dsl.component(base_image=BASE, target_image=image("serving"))
def validate_infra(
    config: dict, model: dsl.Input[dsl.Model], evaluation: dsl.Input[dsl.Artifact], decision: dsl.Output[dsl.Artifact]
) -> bool:
    """Serve the exported model in a process of its own and hold its answers against the evaluation.

    Args:
        config: The `validate_infra` section of the use case's configuration.
        model: The trained model, with the SavedModel in `Format-Serving/`.
        evaluation: What the evaluation wrote, with raw rows and their predictions in `parity.jsonl`.
        decision: The gate's decision: start, answers, numbers, missing features and latency, one check each.
    """
    from components.validate_infra.config import Config
    from components.validate_infra.logic import validate

    return validate(Config.model_validate(config), model.path, evaluation.path, decision.path).is_open
