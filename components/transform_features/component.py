from kfp import dsl

from core.images import BASE, image


@dsl.component(base_image=BASE, target_image=image("tfx"))
def transform_features(
    config: dict, module: str, schema: str, examples: dsl.Input[dsl.Dataset], transform_graph: dsl.Output[dsl.Artifact]
):
    """Run tf.Transform's analysis over the `train` split and write the transform graph in TFX's layout.

    Args:
        config: The `transform_features` section of the use case's configuration.
        module: Reference of the user's module, which defines `preprocessing_fn(inputs)`.
        schema: Reference of the curated schema of the raw features.
        examples: Splits of tf.Example; only `train` is analyzed.
        transform_graph: The folder that `tft.TFTransformOutput` loads, with `transformed_examples/` if configured.
    """
    from components.transform_features.config import Config
    from components.transform_features.logic import Inputs, transform

    transform(Config.model_validate(config), Inputs(module, schema, examples.path), transform_graph.path)
