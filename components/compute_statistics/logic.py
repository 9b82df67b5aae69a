"""Computes TFDV's statistics of splits and spans, also of features derived from texts and images.

The results equal those of `tfdv.generate_statistics_from_tfrecord`, up to the tolerance of its sketches.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow_hotfix  # noqa: F401
import pyarrow as pa
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx_bsl.coders.example_coder import ExamplesToRecordBatchDecoder

from artifacts.examples import tfrecord
from artifacts.examples.manifest import ExamplesManifest
from artifacts.schema.schema_file import read_schema_with_derived
from artifacts.statistics import folder as statistics_folder
from artifacts.statistics.features import examples as example_count
from artifacts.statistics.folder import Statistics
from artifacts.statistics.names import DERIVED_FILE, SERVING, is_span
from components.compute_statistics.config import Config
from components.compute_statistics.in_process import ComputedStatistics, InProcess
from components.compute_statistics.pictures import describe
from components.compute_statistics.samples import draw_samples
from core import pictures, user_code
from core.beam.choice import choose
from core.errors import EmptyDataset
from core.object_stores import locations
from core.object_stores.locations import Location


def compute(
    config: Config, examples: Path | str, schema: str, statistics: Path | str, pictures_path: Path | str
) -> dict[str, Path]:
    """Write statistics and pictures; return the files by the name of their dataset, such as `Split-train` or `Span-4`.

    Raises CorruptArtifact for examples that differ from their manifest, SchemaError when a feature's type changes,
    EmptyDataset for serving data without examples.
    """
    folder = locations.located(examples)
    manifest = ExamplesManifest.read(folder)
    curated = read_schema_with_derived(user_code.resolve(schema))
    computed = _of_examples(config, folder, manifest, curated, statistics)
    if config.serving:
        serving = _of_serving(user_code.resolve(config.serving), curated, config.batch_rows)
        computed.features.update(serving.features)
        computed.derived.update(serving.derived)
    files = statistics_folder.write(statistics, computed.features)
    statistics_folder.write(statistics, computed.derived, DERIVED_FILE)
    shown = ComputedStatistics(_without_spans(computed.features), _without_spans(computed.derived))
    pictures.write(pictures_path, describe(shown, curated) + draw_samples(folder, manifest, curated))
    return files


def _without_spans(statistics: dict[str, Statistics]) -> dict[str, Statistics]:
    return {name: one for name, one in statistics.items() if not is_span(name)}


def _of_examples(
    config: Config, folder: Location, manifest: ExamplesManifest, schema: schema_pb2.Schema, output: Path | str
) -> ComputedStatistics:
    runner = choose(config.beam, manifest.bytes_in(folder)).runner
    if runner is None:
        return InProcess(schema, config.batch_rows).of_examples(folder, manifest)
    from components.compute_statistics.with_beam import describe_with_beam  # noqa: PLC0415 - Beam takes seconds

    return describe_with_beam(runner, folder, schema, config.batch_rows, output)


def _of_serving(path: Path, schema: schema_pb2.Schema, batch_rows: int) -> ComputedStatistics:
    """Compute the statistics of a TFRecord file of tf.Examples; EmptyDataset when it has none."""
    decoder = ExamplesToRecordBatchDecoder(None)
    with path.open("rb") as stream:
        batches = _decoded(decoder, (record for _, record in tfrecord.read(stream, path)))
        computed = InProcess(schema, batch_rows).of_batches(SERVING, batches, str(path))
    if not example_count(computed.features[SERVING]):
        raise EmptyDataset(
            f"{path}: wanted examples that the server was sent, got none; "
            "leave compute_statistics.serving empty until there are some"
        )
    return computed


def _decoded(
    decoder: ExamplesToRecordBatchDecoder, records: Iterable[bytes], size: int = 4096
) -> Iterator[pa.RecordBatch]:
    block: list[bytes] = []
    for record in records:
        block.append(record)
        if len(block) == size:
            yield decoder.DecodeBatch(block)
            block = []
    if block:
        yield decoder.DecodeBatch(block)
