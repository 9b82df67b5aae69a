from kfp import dsl

from core.images import BASE, image


@dsl.component(base_image=BASE, target_image=image("tfx"))
def validate_data(
    config: dict,
    statistics: dsl.Input[dsl.Artifact],
    schema: str,
    anomalies: dsl.Output[dsl.Artifact],
    decision: dsl.Output[dsl.Artifact],
    pictures: dsl.Output[dsl.HTML],
):
    """Validate statistics against the curated schema; a closed gate stops the run.

    Args:
        config: The `validate_data` section of the use case's configuration.
        statistics: The output of `compute_statistics`.
        schema: Reference of the curated schema.
        anomalies: TFDV's anomalies, a SchemaDiff.pb per split, span and serving data, as TFX writes them.
        decision: The gate's decision, with what to change for each check that did not pass.
        pictures: The checks that did not pass, and the drift of every feature with its threshold.
    """
    from components.validate_data.config import Config
    from components.validate_data.logic import Outputs, validate

    validate(
        Config.model_validate(config), statistics.path, schema, Outputs(anomalies.path, decision.path, pictures.path)
    )
