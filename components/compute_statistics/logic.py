"""Computes TFDV's statistics of splits and spans, also of features derived from texts and images.

The results equal those of `tfdv.generate_statistics_from_tfrecord`, up to the tolerance of its sketches.
"""

from itertools import chain
from pathlib import Path

from tensorflow_metadata.proto.v0 import schema_pb2

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
from components.compute_statistics.serving import batches, digests, served
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
    DataError and EmptyDataset for serving data of another digest, or without examples.
    """
    folder = locations.located(examples)
    manifest = ExamplesManifest.read(folder)
    curated = read_schema_with_derived(user_code.resolve(schema))
    computed = _computed(config, folder, manifest, curated, statistics)
    if config.serving and not example_count(computed.features.get(SERVING, Statistics())):
        raise EmptyDataset(
            f"{config.serving}: wanted examples that the server was sent, got none; "
            "leave compute_statistics.serving empty until there are some"
        )
    files = statistics_folder.write(statistics, computed.features)
    statistics_folder.write(statistics, computed.derived, DERIVED_FILE)
    shown = ComputedStatistics(_without_spans(computed.features), _without_spans(computed.derived))
    pictures.write(pictures_path, describe(shown, curated) + draw_samples(folder, manifest, curated))
    return files


def _without_spans(statistics: dict[str, Statistics]) -> dict[str, Statistics]:
    return {name: one for name, one in statistics.items() if not is_span(name)}


def _computed(
    config: Config, folder: Location, manifest: ExamplesManifest, schema: schema_pb2.Schema, output: Path | str
) -> ComputedStatistics:
    sent = served(config.serving)
    runner = choose(config.beam, manifest.bytes_in(folder) + (sent.size if sent else 0)).runner
    if runner is not None:
        from components.compute_statistics import groups_with_beam, with_beam  # noqa: PLC0415 - seconds

        inputs = with_beam.Inputs(folder, schema, config.batch_rows, sent)
        if runner.is_local_process:
            return groups_with_beam.describe_on_this_machine(runner, inputs, output)
        return with_beam.describe_with_beam(runner, inputs, output)
    if sent is not None:
        sent.check(digests(sent))
    in_process = InProcess(schema, config.batch_rows)
    computed = in_process.of_examples(folder, manifest)
    if sent is not None:
        all_batches = chain.from_iterable(batches(file.path, config.batch_rows) for file in sent.files)
        serving = in_process.of_batches(SERVING, all_batches, sent.pattern)
        computed.features.update(serving.features)
        computed.derived.update(serving.derived)
    return computed
