from kfp import dsl

from core.images import BASE, image


@dsl.component(base_image=BASE, target_image=image("tfx"))
def search_model(
    config: dict,
    module: str,
    schema: str,
    examples: dsl.Input[dsl.Dataset],
    transform_graph: dsl.Input[dsl.Artifact],
    model: dsl.Output[dsl.Model],
    league: dsl.Output[dsl.Artifact],
    decision: dsl.Output[dsl.Artifact],
    pictures: dsl.Output[dsl.HTML],
    trained: dsl.Input[dsl.Model] = None,
):
    """Compare families of models on the newest training span, and train the simplest one within the best's noise.

    Args:
        config: The sections `search_model` and `train_model` of the use case's configuration.
        module: Reference of the user's module.
        schema: Reference of the curated schema of the raw features.
        examples: Splits of tf.Example; `eval` is not read.
        transform_graph: The output of `transform_features`.
        model: The chosen model, trained on all training spans; the given one where that is chosen.
        league: `league.json`: quality, size, latency and seconds of every family.
        decision: Which family was chosen, and why.
        pictures: The table as one HTML fragment.
        trained: The module's own model from `train_model`; without it, the module's own model takes no part.
    """
    from components.search_model.config import Config
    from components.search_model.logic import Inputs, Outputs, search

    inputs = Inputs(module, schema, examples.path, transform_graph.path, "" if trained is None else trained.path)
    outputs = Outputs(model.path, league.path, decision.path, pictures.path)
    search(Config.model_validate(config["search_model"]), config["train_model"], inputs, outputs)
