from kfp import dsl

from core.images import BASE, image


@dsl.component(base_image=BASE, target_image=image("tfx"))
def infer_bulk(
    config: dict,
    examples: dsl.Input[dsl.Dataset],
    schema: str,
    model: str,
    registry: str,
    inference_result: dsl.Output[dsl.Artifact],
    output_examples: dsl.Output[dsl.Dataset],
    predictions: dsl.Output[dsl.Dataset],
    decision: dsl.Output[dsl.Artifact],
    pictures: dsl.Output[dsl.HTML],
):
    """Predict every row of some examples with one model version; counts and digests are checked before it ends.

    Args:
        config: The `infer_bulk` section of the use case's configuration.
        examples: Splits of tf.Example, with or without a label.
        schema: Reference of the curated schema.
        model: The model version, as `<version>@<digest>`.
        registry: Root of the model registry.
        inference_result: Gzipped TFRecords of PredictionLog, as TFX's BulkInferrer writes them, and a manifest.
        output_examples: The examples with the predictions as features.
        predictions: The same rows as Parquet files, and the manifest.
        decision: The gate's decision: the model takes these rows, as many rows out as in, intact files.
        pictures: Counts, the model version and a histogram of the predictions.
    """
    from components.infer_bulk.config import Config
    from components.infer_bulk.logic import Inputs, Outputs, infer

    folders = Outputs(inference_result.path, output_examples.path, predictions.path, decision.path, pictures.path)
    infer(Config.model_validate(config), Inputs(examples.path, schema, model, registry), folders)
