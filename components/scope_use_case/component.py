from kfp import dsl

from core.images import BASE, image


@dsl.component(base_image=BASE, target_image=image("data"))
def scope_use_case(config: dict, decision: dsl.Output[dsl.Artifact]):
    """Check the scope of a use case before anything is spent; an incomplete one stops the run.

    Args:
        config: The `scope_use_case` section of the use case's configuration.
        decision: The gate's decision, one check per question that a scope must answer.
    """
    from components.scope_use_case.config import Config
    from components.scope_use_case.logic import scope

    scope(Config.model_validate(config), decision.path)
