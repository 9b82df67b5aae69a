from kfp import dsl

from core.images import BASE, image


@dsl.component(base_image=BASE, target_image=image("data"))
def ingest_examples(config: dict, source: str, span: int, data: str, schema: str, examples: dsl.Output[dsl.Dataset]):
    """Read the window of spans that ends with `span`, and write it as splits of gzipped TFRecords of tf.Example.

    Args:
        config: The `ingest_examples` section of the use case's configuration.
        source: Absolute pattern of the source files, with `{SPAN}` or `{YYYY}`, `{MM}` and `{DD}` for the span.
        span: The newest span of the window.
        data: Digest that the files of the window must have; empty to accept any.
        schema: Reference of the curated schema, which has the types that text is parsed as.
        examples: One folder per split, and the manifest.
    """
    from components.ingest_examples.config import Config
    from components.ingest_examples.logic import PinnedSource, ingest

    ingest(Config.model_validate(config), PinnedSource(source, span, data), schema, examples.path)
