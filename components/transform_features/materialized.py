"""Writes transformed examples, for modules that read them instead of transforming raw examples."""

from pathlib import Path

import pyarrow_hotfix  # noqa: F401
from tensorflow_metadata.proto.v0 import schema_pb2

from artifacts.examples.manifest import ExamplesManifest
from artifacts.transform_graph.names import TRANSFORMED_EXAMPLES
from components.transform_features.transformed_shard import Job
from core.beam.settings import Runner
from core.object_stores.locations import Location


def materialize(
    examples: Location, schema: schema_pb2.Schema, transform_graph: Path, batch_size: int, runner: Runner | None
) -> None:
    """Transform every shard, and write it as gzipped TFRecords under the name of the raw shard."""
    manifest = ExamplesManifest.read(examples)
    folder = transform_graph / TRANSFORMED_EXAMPLES
    job = Job(str(examples), str(transform_graph), str(folder), schema.SerializeToString(), batch_size)
    if runner is None:
        converter = job.converter()
        shards = [job.write(shard, converter) for shard in manifest.shards]
    else:
        from components.transform_features.materialize_with_beam import materialize_with_beam  # noqa: PLC0415

        shards = materialize_with_beam(runner, job, manifest.shards, transform_graph)
    manifest.model_copy(update={"shards": tuple(shards)}).write(folder)
