"""Publishes a model whose evidence is complete, atomically."""

from kfp import dsl

from core.images import BASE, image


@dsl.component(base_image=BASE, target_image=image("data"))
def push_model(
    config: dict,
    name: str,
    model: dsl.Input[dsl.Model],
    evidence: dsl.Input[dsl.Artifact],
    examples: dsl.Input[dsl.Dataset],
    champion: str,
    registry: str,
    submission: str,
    pushed: dsl.Output[dsl.Artifact],
    decision: dsl.Output[dsl.Artifact],
) -> str:
    """Publish a model as the next version and make it the champion, if its evidence is complete and its place is free.

    Returns `<version>@<digest>`, or nothing when the gate is closed; nothing is pushed then.

    Args:
        config: The `push_model` section of the use case's configuration.
        name: The model's name in the registry.
        model: The trained model.
        evidence: What the gates decided, from `collect_evidence`.
        examples: What the model was trained and evaluated on; its manifest goes into the version's.
        champion: The version that the model was compared with; the gate is closed when another is in production by now.
        registry: Where models are published.
        submission: Id of the submission, so that no cache takes a push of another one for this one's.
        pushed: What was pushed: name, version, path, digest and whether it is in production; null when nothing was.
        decision: This gate's own decision: one check per required gate, and those of the model's place.
    """
    from components.push_model.config import Config
    from components.push_model.logic import Destination, Outputs, Release, push

    release = Release.at(model.path, evidence.path, examples.path)
    destination = Destination(name, registry, champion, submission)
    return push(Config.model_validate(config), release, destination, Outputs(pushed.path, decision.path))
