from kfp import dsl

from core.images import BASE, image


@dsl.component(base_image=BASE, target_image=image("tfx"))
def constrain_model(
    config: dict,
    module: str,
    schema: str,
    examples: dsl.Input[dsl.Dataset],
    transform_graph: dsl.Input[dsl.Artifact],
    plain: dsl.Input[dsl.Model],
    model: dsl.Output[dsl.Model],
    constraint: dsl.Output[dsl.Artifact],
    decision: dsl.Output[dsl.Artifact],
    pictures: dsl.Output[dsl.HTML],
):
    """Train the model further under a constraint on a rate of groups; it goes on if the gap falls for little skill.

    Args:
        config: The sections `constrain_model` and `train_model` of the use case's configuration.
        module: Reference of the user's module, with `build_model(transform_output, hyperparameters)`.
        schema: Reference of the curated schema of the raw features, groups among them.
        examples: Splits of tf.Example; `eval` is not read.
        transform_graph: The output of `transform_features`.
        plain: The model of `train_model`, which goes on where the constraint costs too much or gives too little.
        model: The model that goes on: one SavedModel that needs no group.
        constraint: `constraint.json`: every rate of every group before and after.
        decision: Which model goes on, and why.
        pictures: Before and after beside each other, and the epochs, as one HTML fragment.
    """
    from components.constrain_model.config import Config
    from components.constrain_model.logic import Inputs, Outputs, constrain

    inputs = Inputs(module, schema, examples.path, transform_graph.path, plain.path)
    outputs = Outputs(model.path, constraint.path, decision.path, pictures.path)
    constrain(Config.model_validate(config["constrain_model"]), config["train_model"], inputs, outputs)
