from kfp import dsl

from core.images import BASE, image


@dsl.component(base_image=BASE, target_image=image("data"))
def write_cards(
    config: dict,
    examples: dsl.Input[dsl.Dataset],
    model: dsl.Input[dsl.Model],
    evaluation: dsl.Input[dsl.Artifact],
    evidence: dsl.Input[dsl.Artifact],
    cards: dsl.Output[dsl.Artifact],
    decision: dsl.Output[dsl.Artifact],
    pictures: dsl.Output[dsl.HTML],
    fairness: dsl.Input[dsl.Artifact] = None,
    explanations: dsl.Input[dsl.Artifact] = None,
) -> bool:
    """Write both cards in every form; returns true when the headings are complete that the risk class needs.

    Args:
        config: The `write_cards` section of the use case's configuration, with the scope.
        examples: The examples that the model was trained and evaluated on.
        model: The model, with its SavedModel in `Format-Serving/`.
        evaluation: The output of `evaluate_model`.
        evidence: The decisions of the gates before this one, from `collect_evidence`.
        cards: `cards.json`, and the forms for Hugging Face, CycloneDX and Annex IV.
        decision: The gate's decision: one check for each heading, claim and trace.
        pictures: Both cards as one HTML fragment.
        fairness: The output of `measure_fairness`; left out, it reads "not measured".
        explanations: The output of `explain_model`; left out, it reads "not measured".
    """
    from components.write_cards.config import Config
    from components.write_cards.logic import Inputs, Outputs, write

    reviews = [None if given is None else given.path for given in (fairness, explanations)]
    inputs = Inputs.at(examples.path, model.path, evaluation.path, evidence.path, *reviews)
    return write(Config.model_validate(config), inputs, Outputs(cards.path, decision.path, pictures.path)).is_open
