from kfp import dsl

from core.images import BASE, image


@dsl.component(base_image=BASE, target_image=image("tfx"))
def label_examples(
    config: dict,
    labeling: str,
    schema: str,
    examples: dsl.Input[dsl.Dataset],
    labeled: dsl.Output[dsl.Dataset],
    decision: dsl.Output[dsl.Artifact],
    metrics: dsl.Output[dsl.Metrics],
    pictures: dsl.Output[dsl.HTML],
):
    """Label the rows of training by the votes of labeling functions; a closed gate stops the run.

    Args:
        config: The `label_examples` section of the use case's configuration.
        labeling: Reference of the user's `labeling.py`: labeling, transformation and slicing functions; empty if none.
        schema: Reference of the curated schema, which has the label's type and classes.
        examples: Splits of tf.Example; the split `eval` keeps its labels.
        labeled: The same splits with the labels and, in `labels/`, their probabilities.
        decision: The gate's decision, with what to change for each check that did not pass.
        metrics: Coverage, and the skill of the label model and of majority vote on the gold rows.
        pictures: The analysis of the labeling functions, their agreement, and the labels.
    """
    from components.label_examples.config import Config
    from components.label_examples.logic import Inputs, Outputs, label

    outputs = Outputs(labeled.path, decision.path, pictures.path, metrics.log_metric)
    label(Config.model_validate(config), Inputs(labeling, schema, examples.path), outputs)
