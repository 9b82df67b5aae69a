from kfp import dsl

from core.images import BASE, image


@dsl.component(base_image=BASE, target_image=image("data"))
def push_model(
    config: dict,
    name: str,
    model: dsl.Input[dsl.Model],
    evaluated: dsl.Input[dsl.Artifact],
    served: dsl.Input[dsl.Artifact],
    examples: dsl.Input[dsl.Dataset],
    champion: str,
    registry: str,
    submission: str,
    pushed: dsl.Output[dsl.Artifact],
) -> str:
    """Publish a model that has passed every gate as the next version, and make it the champion; return `<version>@<digest>`.

    Args:
        config: The `push_model` section of the use case's configuration.
        name: The model's name in the registry.
        model: The trained model.
        evaluated: The decision of `evaluate_model`; anything but a pass stops the push.
        served: The decision of `validate_infra`; anything but a pass stops the push.
        examples: What the model was trained and judged on; its manifest goes into the version's.
        champion: The version that the model was judged against; when another is in production by now, nothing is pushed.
        registry: Where models are published.
        submission: Id of the submission, so that no cache takes a push of another one for this one's.
        pushed: What was pushed: name, version, path and digest.
    """
    from components.push_model.config import Config
    from components.push_model.logic import Candidate, Target, push

    candidate = Candidate.of(model.path, evaluated.path, served.path, examples.path)
    return push(Config.model_validate(config), Target(name, registry, champion, submission), candidate, pushed.path)
