from kfp import dsl

from core.images import BASE, image


@dsl.component(base_image=BASE, target_image=image("tfx"))
def import_labels(
    config: dict,
    labels: str,
    schema: str,
    examples: dsl.Input[dsl.Dataset],
    labeled: dsl.Output[dsl.Dataset],
    agreement: dsl.Output[dsl.Artifact],
    decision: dsl.Output[dsl.Artifact],
    pictures: dsl.Output[dsl.HTML],
):
    """Give examples the labels of people and processes; a closed gate stops the run.

    Args:
        config: The `import_labels` section of the use case's configuration.
        labels: Reference of the list of label files to read, as the submission wrote it.
        schema: Reference of the curated schema, which has the label's type and classes.
        examples: Splits of tf.Example; rows of the split `eval` keep the label that they have.
        labeled: The same splits with the labels; a row without any is left out.
        agreement: `agreement.json`: coverage, alpha, kappa, annotators, conflicts, delays.
        decision: The gate's decision, with what to change for each check that did not pass.
        pictures: Agreement of each pair, confusions of each annotator, and how long labels took.
    """
    from components.import_labels.config import Config
    from components.import_labels.logic import Inputs, Outputs, import_

    outputs = Outputs(labeled.path, agreement.path, decision.path, pictures.path)
    import_(Config.model_validate(config), Inputs(labels, schema, examples.path), outputs)
