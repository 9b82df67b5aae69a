from kfp import dsl

from core.images import BASE, image


@dsl.component(base_image=BASE, target_image=image("tfx"))
def distill_model(
    config: dict,
    module: str,
    schema: str,
    examples: dsl.Input[dsl.Dataset],
    transform_graph: dsl.Input[dsl.Artifact],
    plain: dsl.Input[dsl.Model],
    model: dsl.Output[dsl.Model],
    distillation: dsl.Output[dsl.Artifact],
    decision: dsl.Output[dsl.Artifact],
    pictures: dsl.Output[dsl.HTML],
):
    """Train a small model on the predictions of a better one; it goes on if it gains over the labels alone.

    Args:
        config: The sections `distill_model` and `train_model` of the use case's configuration.
        module: Reference of the user's module.
        schema: Reference of the curated schema of the raw features.
        examples: Splits of tf.Example; `eval` is not read.
        transform_graph: The output of `transform_features`.
        plain: The model that goes on where it is configured and nothing is gained.
        model: The student, or what goes on in its place.
        distillation: `distillation.json`: teacher, student and student from scratch beside each other.
        decision: Whether the student gained over the same model from scratch.
        pictures: The models as one HTML fragment.
    """
    from components.distill_model.config import Config
    from components.distill_model.logic import Inputs, Outputs, distill

    inputs = Inputs(module, schema, examples.path, transform_graph.path, plain.path)
    outputs = Outputs(model.path, distillation.path, decision.path, pictures.path)
    distill(Config.model_validate(config["distill_model"]), config["train_model"], inputs, outputs)
