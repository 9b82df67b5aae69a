from kfp import dsl

from core.images import BASE, image


@dsl.component(base_image=BASE, target_image=image("tfx"))
def select_features(
    config: dict,
    module: str,
    schema: str,
    examples: dsl.Input[dsl.Dataset],
    transform_graph: dsl.Input[dsl.Artifact],
    selection: dsl.Output[dsl.Artifact],
    decision: dsl.Output[dsl.Artifact],
    pictures: dsl.Output[dsl.HTML],
) -> str:
    """Compare methods that select features on the `train` split; returns the schema's reference to train with.

    Args:
        config: The `select_features` section of the use case's configuration.
        module: Reference of the user's module, which is asked what it reads.
        schema: Reference of the curated schema of the raw features.
        examples: Splits of tf.Example; only `train` is read.
        transform_graph: The output of `transform_features`, in which the cost of each feature is measured.
        selection: `selection.json`, and the schema that is proposed.
        decision: The chosen features, and what they lose.
        pictures: The methods and the features as one HTML fragment.
    """
    from components.select_features.config import Config
    from components.select_features.logic import Inputs, Outputs, select

    inputs = Inputs(module, schema, examples.path, transform_graph.path)
    return select(Config.model_validate(config), inputs, Outputs(selection.path, decision.path, pictures.path))
