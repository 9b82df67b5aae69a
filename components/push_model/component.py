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
    """Publish a model as the next version and promote it, if all required gates passed and the champion is unchanged.

    Returns `<version>@<digest>`, or "" when the gate is closed and nothing was published.

    Args:
        config: The `push_model` section of the use case's configuration.
        name: The model's name in the registry.
        model: The trained model.
        evidence: The gates' decisions, from `collect_evidence`.
        examples: The examples that the model was trained and evaluated on; spans and digest go into the manifest.
        champion: The version that the model was compared with; the gate is closed when another one is in production.
        registry: Root of the model registry.
        submission: Id of the submission; makes a cached result valid for this submission only.
        pushed: The pushed version: name, version, path, digest and whether it is in production; null without one.
        decision: This gate's decision: one check per required gate, and those of the champion.
    """
    from components.push_model.config import Config
    from components.push_model.logic import Destination, Outputs, Release, push

    release = Release.at(model.path, evidence.path, examples.path)
    destination = Destination(name, registry, champion, submission)
    return push(Config.model_validate(config), release, destination, Outputs(pushed.path, decision.path))
