"""Analyze the training split with the user's `preprocessing_fn` and write the transform graph in TFX's layout."""

import json
import logging
import shutil
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pyarrow_hotfix  # noqa: F401
import pyarrow as pa
import tensorflow_transform as tft
from tensorflow_metadata.proto.v0 import schema_pb2
from tensorflow_transform.tf_metadata import dataset_metadata, metadata_io
from tfx_bsl.tfxio.tensor_adapter import TensorAdapterConfig
from tfx_bsl.tfxio.tf_example_record import TFExampleBeamRecord

from adapters import tft_analysis as in_process
from artifacts.examples.batches import record_batches
from artifacts.examples.manifest import ExamplesManifest
from artifacts.schema.reference import read_referenced
from components.transform_features.config import Config
from components.transform_features.materialized import materialize
from components.transform_features.preprocessing import ImportedPreprocessing, preprocessing_fn
from core import user_code
from core.beam.choice import choose
from core.beam.settings import Runner
from core.errors import EmptyDataset
from core.object_stores import locations
from core.object_stores.locations import Location

log = logging.getLogger(__name__)
_SPLIT = "train"


class Inputs(NamedTuple):
    """References of the module and the schema, and the folder of the examples."""

    module: str
    schema: str
    examples: Path | str


def transform(config: Config, inputs: Inputs, transform_graph: Path | str) -> None:
    """Write the transform graph of the `train` split.

    Raises MlopsError when the module has no `preprocessing_fn`, EmptyDataset when there are no rows; what the user's
    function raises passes through.
    """
    schema = read_referenced(inputs.schema)
    manifest = ExamplesManifest.read(inputs.examples)
    if not manifest.records(_SPLIT):
        raise EmptyDataset(
            f"{inputs.examples}: wanted rows to analyze in the split {_SPLIT!r}, got none; widen ingest_examples.window"
        )
    out = Path(transform_graph)
    out.mkdir(parents=True, exist_ok=True)  # it can be a mounted bucket: files are made elsewhere and copied once
    runner = _analyze(config, inputs, schema, manifest, out)
    metadata_io.write_metadata(
        dataset_metadata.DatasetMetadata(schema), str(out / tft.TFTransformOutput.RAW_METADATA_DIR)
    )
    if config.materialize:
        materialize(locations.located(inputs.examples), schema, out, config.batch_size, runner)


def _analyze(
    config: Config, inputs: Inputs, schema: schema_pb2.Schema, manifest: ExamplesManifest, out: Path
) -> Runner | None:
    """Write the graph; return the runner that the analysis ran on, None for this process."""
    preprocessing = preprocessing_fn(inputs.module, config.custom_config)
    examples = locations.located(inputs.examples)
    adapter: TensorAdapterConfig = TFExampleBeamRecord(
        physical_format="inmem", telemetry_descriptors=["mlops"], schema=schema
    ).TensorAdapterConfig()
    runner = choose(config.beam, manifest.bytes_in(examples)).runner
    if runner is None:
        read = partial(_read, examples, schema.SerializeToString(), config.batch_size)
        try:
            with tempfile.TemporaryDirectory(prefix=".analysis-") as temporary:
                _publish(in_process.analyze(preprocessing, read, adapter, Path(temporary)), out)
            return None
        except in_process.Unsupported as operation:
            log.info("analyzing with Beam, because of %s", operation)
            runner = _runner_of(config)
    from adapters.beam_work import work_folder  # noqa: PLC0415 - Beam takes seconds to import
    from components.transform_features import with_beam  # noqa: PLC0415

    imported = ImportedPreprocessing(str(user_code.resolve(inputs.module)), config.custom_config)
    shards = manifest.of_split(_SPLIT)
    analysis = with_beam.Analysis(imported, examples, shards, schema, adapter, config.batch_size)
    with work_folder(runner, out) as work:
        with_beam.analyze(runner, analysis, work)
        for name in (tft.TFTransformOutput.TRANSFORM_FN_DIR, tft.TFTransformOutput.TRANSFORMED_METADATA_DIR):
            locations.copy_here(locations.join(work, name), out / name)
    return runner


def _runner_of(config: Config) -> Runner:
    """Return the runner for an analysis that only Beam can do: the configured one, else one worker in this process."""
    forced = None if config.beam is None else config.beam.model_copy(update={"engine": "beam"})
    return choose(forced, 0).runner or Runner()


def _read(examples: Location, schema: bytes, batch_size: int) -> Iterator[pa.RecordBatch]:
    return record_batches(examples, _SPLIT, schema_pb2.Schema.FromString(schema), batch_size)


def _publish(analyzed: in_process.Analyzed, out: Path) -> None:
    """Copy an analysis to the layout that TFX writes and `tft.TFTransformOutput` reads."""
    metadata = metadata_io.read_metadata(str(analyzed.saved_model / in_process.METADATA))
    folder = out / tft.TFTransformOutput.TRANSFORMED_METADATA_DIR
    metadata_io.write_metadata(metadata, str(folder))
    if analyzed.assets:
        (folder / tft.TFTransformOutput.ASSET_MAP).write_text(json.dumps(analyzed.assets), encoding="utf-8")
    shutil.copytree(analyzed.saved_model, out / tft.TFTransformOutput.TRANSFORM_FN_DIR, dirs_exist_ok=True)
