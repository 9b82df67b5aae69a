"""Computes TFDV's statistics of splits and spans, and the same of what is derived from texts and images.

The numbers are those of `tfdv.generate_statistics_from_tfrecord`, up to the tolerance of its sketches.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow_hotfix  # noqa: F401
import pyarrow as pa
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx_bsl.coders.example_coder import ExamplesToRecordBatchDecoder

from artifacts.examples import tfrecord
from artifacts.examples.manifest import ExamplesManifest
from artifacts.schema.schema_file import read_whole_schema
from artifacts.statistics import folder as statistics_folder
from artifacts.statistics.features import examples as example_count
from artifacts.statistics.names import DERIVED_FILE, SERVING, is_span
from components.compute_statistics.config import Config
from components.compute_statistics.in_process import Described, InProcess
from components.compute_statistics.pictures import describe
from components.compute_statistics.samples import draw_samples
from components.compute_statistics.with_beam import describe_with_beam
from core import pictures, user_code
from core.errors import EmptyDataset


def compute(
    config: Config, examples: Path | str, schema: str, statistics: Path | str, pictures_path: Path | str
) -> dict[str, Path]:
    """Write statistics and their picture; return the files by what they describe, such as `Split-train` or `Span-4`.

    Raises CorruptArtifact for examples that are not what was ingested, and SchemaError for a feature of changing type.
    """
    folder = Path(examples)
    manifest = ExamplesManifest.read(folder)
    curated = read_whole_schema(user_code.resolve(schema))
    found = _of_examples(config, folder, manifest, curated)
    if config.serving:
        served = _of_serving(user_code.resolve(config.serving), curated, config.batch_rows)
        found.features.update(served.features)
        found.derived.update(served.derived)
    written = statistics_folder.write(statistics, found.features)
    statistics_folder.write(statistics, found.derived, DERIVED_FILE)
    shown = Described(*({name: one for name, one in kind.items() if not is_span(name)} for kind in found))
    pictures.write(pictures_path, describe(shown, curated) + draw_samples(folder, manifest, curated))
    return written


def _of_examples(config: Config, folder: Path, manifest: ExamplesManifest, schema: schema_pb2.Schema) -> Described:
    if config.engine == "in_process":
        return InProcess(schema, config.batch_rows).of_examples(folder, manifest)
    derived = InProcess(schema, config.batch_rows, features=False).of_examples(folder, manifest).derived
    return Described(describe_with_beam(folder, manifest, schema, config.beam_args), derived)


def _of_serving(path: Path, schema: schema_pb2.Schema, batch_rows: int) -> Described:
    """Describe a TFRecord file of tf.Examples; EmptyDataset when it has none."""
    decoder = ExamplesToRecordBatchDecoder(None)
    with path.open("rb") as stream:
        batches = _decoded(decoder, (record for _, record in tfrecord.read(stream, path)))
        found = InProcess(schema, batch_rows).of_batches(SERVING, batches, str(path))
    if not example_count(found.features[SERVING]):
        raise EmptyDataset(
            f"{path}: wanted examples as the server got them, got none; "
            "leave compute_statistics.serving empty until there are some"
        )
    return found


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
