from kfp import dsl

from core.images import BASE, image


@dsl.component(base_image=BASE, target_image=image("tfx"))
def join_feedback(
    config: dict,
    name: str,
    snapshot: str,
    as_of: str,
    champion: str,
    registry: str,
    schema: str,
    examples: dsl.Output[dsl.Dataset],
    feedback: dsl.Output[dsl.Artifact],
    pictures: dsl.Output[dsl.HTML],
):
    """Join outcomes to logged predictions, as they were known at an instant.

    Args:
        config: The `join_feedback` section of the use case's configuration.
        name: The model's name in the registry.
        snapshot: Reference of the list of files to read, as the submission wrote it.
        as_of: RFC 3339; a label counts as known only from its time on, and nothing later is read.
        champion: The version in production as `<version>@<digest>`.
        registry: Root of the model registry, for the labels that each version was trained on.
        schema: Reference of the curated schema, for the label's type.
        examples: Raw features of the rows that were answered: splits `current` and `previous`.
        feedback: `feedback.json`, `problems.jsonl`, the scores of the current window in `scores/`, the server's metrics
            if there are any, and `spans/` with a labeled span per day or month.
        pictures: Label delay, the state of all labels, and what could not be used.
    """
    from components.join_feedback.config import Config
    from components.join_feedback.logic import Inputs, Outputs, join

    inputs = Inputs(name, snapshot, as_of, champion, registry, schema)
    join(Config.model_validate(config), inputs, Outputs(examples.path, feedback.path, pictures.path))
