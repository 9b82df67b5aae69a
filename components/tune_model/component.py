from kfp import dsl

from core.images import BASE, image


@dsl.component(base_image=BASE, target_image=image("tfx"))
def tune_model(
    config: dict,
    module: str,
    schema: str,
    examples: dsl.Input[dsl.Dataset],
    transform_graph: dsl.Input[dsl.Artifact],
    registry: str,
    tuning: dsl.Output[dsl.Artifact],
    decision: dsl.Output[dsl.Artifact],
    pictures: dsl.Output[dsl.HTML],
    trials: dsl.Input[list[dsl.Artifact]] = None,
) -> dict:
    """Search hyperparameters on the spans before the last training span, and compare the best with the default on it.

    Returns the `train_model` section to train with.

    Args:
        config: The sections `tune_model` and `train_model` of the use case's configuration.
        module: Reference of the user's module: `build_model(transform_output, hyperparameters)` or `build_model(hp)`.
        schema: Reference of the curated schema of the raw features.
        examples: Splits of tf.Example; `eval` is not read.
        transform_graph: The output of `transform_features`.
        registry: Root of the model registry; finished trials are kept beside it until all are.
        tuning: `tuning.json`: every trial and the comparison.
        decision: Whether the best point is used, and why.
        pictures: Trials over rungs, parallel coordinates, and the best point beside the default.
        trials: The default and the first rung, where `train_trial` ran them.
    """
    from components.tune_model.config import Config
    from components.tune_model.logic import Inputs, Outputs, tune

    finished = tuple(one.path for one in trials or ())
    inputs = Inputs(module, schema, examples.path, transform_graph.path, registry, finished)
    outputs = Outputs(tuning.path, decision.path, pictures.path)
    return tune(Config.model_validate(config["tune_model"]), config["train_model"], inputs, outputs)
