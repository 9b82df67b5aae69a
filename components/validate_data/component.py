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
    """Hold statistics against the curated schema; data that cannot be trusted stops the run.

    Args:
        config: The `validate_data` section of the use case's configuration.
        statistics: What `compute_statistics` wrote.
        schema: Reference of the curated schema.
        anomalies: TFDV's findings, a SchemaDiff.pb per split, span and serving data, as TFX writes it.
        decision: The gate's decision, with what to change for each check that does not hold.
        pictures: The checks that do not hold, and the drift of every feature beside its bound.
    """
    from components.validate_data.config import Config
    from components.validate_data.logic import Outputs, validate

    validate(
        Config.model_validate(config), statistics.path, schema, Outputs(anomalies.path, decision.path, pictures.path)
    )
