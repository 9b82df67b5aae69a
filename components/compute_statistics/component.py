from kfp import dsl

from core.images import BASE, image


@dsl.component(base_image=BASE, target_image=image("tfx"))
def compute_statistics(
    config: dict,
    examples: dsl.Input[dsl.Dataset],
    schema: str,
    statistics: dsl.Output[dsl.Artifact],
    pictures: dsl.Output[dsl.HTML],
):
    """Compute the statistics of each split and of the newest two spans.

    Args:
        config: The `compute_statistics` section of the use case's configuration.
        examples: Splits of tf.Example.
        schema: Reference of the curated schema, which determines which features are categorical.
        statistics: `Split-<split>/`, `Span-<n>/` and, where configured, `Serving/`, each with a
            FeatureStats.pb as TFX writes it, and a DerivedStats.pb of features derived from texts and images.
        pictures: A table of all features with small histograms, and a few images.
    """
    from components.compute_statistics.config import Config
    from components.compute_statistics.logic import compute

    compute(Config.model_validate(config), examples.path, schema, statistics.path, pictures.path)
