from kfp import dsl

from core.images import BASE, image


@dsl.component(base_image=BASE, target_image=image("tfx"))
def train_model(
    config: dict,
    module: str,
    schema: str,
    examples: dsl.Input[dsl.Dataset],
    transform_graph: dsl.Input[dsl.Artifact],
    champion: str,
    registry: str,
    model: dsl.Output[dsl.Model],
    metrics: dsl.Output[dsl.Metrics],
    pictures: dsl.Output[dsl.HTML],
):
    """Train on the `train` split, stop early on `validation`, and export a model that serves raw requests.

    Args:
        config: The `train_model` section of the use case's configuration.
        module: Reference of the user's module: `build_model(transform_output, hyperparameters)` or `run_fn(fn_args)`.
        schema: Reference of the curated schema of the raw features.
        examples: Splits of tf.Example.
        transform_graph: The output of `transform_features`.
        champion: The version in production as `<version>@<digest>`, for a warm start; empty when there is none.
        registry: Root of the model registry.
        model: `Format-Serving/` with the SavedModel, and `training.json`.
        metrics: The metrics of the training, for the dashboard.
        pictures: Training curves as one HTML fragment.
    """
    from components.train_model.config import Config
    from components.train_model.logic import Inputs, Outputs, train

    inputs = Inputs(module, schema, examples.path, transform_graph.path, champion, registry)
    train(Config.model_validate(config), inputs, Outputs(model.path, metrics.log_metric, pictures.path))
