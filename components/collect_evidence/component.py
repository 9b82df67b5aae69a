from kfp import dsl

from core.images import BASE, image


@dsl.component(base_image=BASE, target_image=image("data"))
def collect_evidence(
    config: dict,
    names: list,
    evidence: dsl.Output[dsl.Artifact],
    first: dsl.Input[dsl.Artifact],
    second: dsl.Input[dsl.Artifact] = None,
    third: dsl.Input[dsl.Artifact] = None,
    fourth: dsl.Input[dsl.Artifact] = None,
    earlier: dsl.Input[dsl.Artifact] = None,
    cards: dsl.Input[dsl.Artifact] = None,
):
    """Write the decisions of several gates to one file, each under a name; kfp cannot pass a list of artifacts.

    Args:
        config: The `collect_evidence` section of the use case's configuration.
        names: The names of the decisions that are given, in their order.
        evidence: The earlier evidence and these decisions; a repeated name is an error.
        first: A gate's decision.
        second: A gate's decision.
        third: A gate's decision.
        fourth: A gate's decision.
        earlier: The evidence of another `collect_evidence` task, when there are more than four decisions.
        cards: The model's cards, from `write_cards`; they travel with the evidence to the version and the release.
    """
    from components.collect_evidence.config import Config
    from components.collect_evidence.logic import Collected, collect

    decisions = [given.path for given in (first, second, third, fourth) if given is not None]
    before, attached = (None if given is None else given.path for given in (earlier, cards))
    named = dict(zip(names, decisions, strict=True))
    collect(Config.model_validate(config), Collected(named, before, attached), evidence.path)
