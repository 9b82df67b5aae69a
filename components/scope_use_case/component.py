from kfp import dsl

from core.images import BASE, image


@dsl.component(base_image=BASE, target_image=image("data"))
def scope_use_case(config: dict, decision: dsl.Output[dsl.Artifact]):
    """Check that the scope of a use case is complete, before any data is read; an incomplete scope stops the run.

    Args:
        config: The `scope_use_case` section of the use case's configuration.
        decision: The gate's decision, with one check per rule.
    """
    from components.scope_use_case.config import Config
    from components.scope_use_case.logic import scope

    scope(Config.model_validate(config), decision.path)
