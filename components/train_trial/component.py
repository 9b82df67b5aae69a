from kfp import dsl

from core.images import BASE, image


@dsl.component(base_image=BASE, target_image=image("tfx"))
def train_trial(
    config: dict,
    trial: dict,
    module: str,
    schema: str,
    examples: dsl.Input[dsl.Dataset],
    transform_graph: dsl.Input[dsl.Artifact],
    outcome: dsl.Output[dsl.Artifact],
):
    """Train one point of a tuning on the spans before the last, and compare it on the last.

    Args:
        config: The `train_model` section of the use case's configuration.
        trial: Its number, hyperparameters, epochs and seed, drawn when the pipeline was compiled.
        module: Reference of the user's module: `build_model(transform_output, hyperparameters)`.
        schema: Reference of the curated schema of the raw features.
        examples: Splits of tf.Example; `eval` is not read.
        transform_graph: The output of `transform_features`.
        outcome: `trial.json`: the point, and its skill on the held-back span.
    """
    from components.train_trial.logic import Inputs, train

    train(config, trial, Inputs(module, schema, examples.path, transform_graph.path), outcome.path)
