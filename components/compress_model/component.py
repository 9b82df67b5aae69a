from kfp import dsl

from core.images import BASE, image


@dsl.component(base_image=BASE, target_image=image("tfx"))
def compress_model(
    config: dict,
    module: str,
    schema: str,
    examples: dsl.Input[dsl.Dataset],
    transform_graph: dsl.Input[dsl.Artifact],
    trained: dsl.Input[dsl.Model],
    model: dsl.Output[dsl.Model],
    compression: dsl.Output[dsl.Artifact],
    decision: dsl.Output[dsl.Artifact],
    pictures: dsl.Output[dsl.HTML],
) -> bool:
    """Compress a trained model; returns true when the compressed one is as good as the thresholds demand.

    Args:
        config: Three sections: `compression`, the stage's own; `training`, that of `train_model`, for extra epochs;
            `evaluation`, what `evaluate_model` compares by.
        module: Reference of the user's module, with `build_model(transform_output, hyperparameters)`.
        schema: Reference of the curated schema of the raw features.
        examples: Splits of tf.Example; variants are compared on `eval`.
        transform_graph: The output of `transform_features`.
        trained: The model to compress.
        model: The compressed model, as `train_model` writes one, with `Format-TFLite/` in its SavedModel's folder.
        compression: `compression.json`, every variant with sizes, latencies and quality.
        decision: The gate's decision about the variant that goes on.
        pictures: The variants as one HTML fragment.
    """
    from components.compress_model.config import Config
    from components.compress_model.logic import Inputs, Outputs, compress

    sections = config["training"], config["evaluation"]
    inputs = Inputs(*sections, module, schema, examples.path, transform_graph.path, trained.path)
    outputs = Outputs(model.path, compression.path, decision.path, pictures.path)
    return compress(Config.model_validate(config["compression"]), inputs, outputs).is_open
