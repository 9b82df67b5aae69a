"""Analyze the training split with the user's `preprocessing_fn` and write the transform graph in TFX's layout."""

import json
import logging
import shutil
import tempfile
from collections.abc import Iterator
from functools import partial
from inspect import signature
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow_hotfix  # noqa: F401
import pyarrow as pa
import tensorflow_transform as tft
from tensorflow_metadata.proto.v0 import schema_pb2
from tensorflow_transform.tf_metadata import dataset_metadata, metadata_io
from tfx_bsl.tfxio.tensor_adapter import TensorAdapterConfig
from tfx_bsl.tfxio.tf_example_record import TFExampleBeamRecord

from adapters import tft_analysis as in_process
from adapters.tft_passes import Preprocessing
from artifacts.examples.batches import record_batches
from artifacts.examples.manifest import ExamplesManifest
from artifacts.schema.reference import read_referenced
from components.transform_features.config import Config
from components.transform_features.materialized import materialize
from core import user_code
from core.errors import EmptyDataset, MlopsError
from core.user_config import as_written

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
    preprocessing_fn = _preprocessing_fn(config, inputs.module)
    if not ExamplesManifest.read(inputs.examples).records(_SPLIT):
        raise EmptyDataset(
            f"{inputs.examples}: wanted rows to analyze in the split {_SPLIT!r}, got none; widen ingest_examples.window"
        )
    out = Path(transform_graph)
    out.mkdir(parents=True, exist_ok=True)  # it can be a mounted bucket: files are made elsewhere and copied once
    _analyze(config, preprocessing_fn, schema, Path(inputs.examples), out)
    metadata_io.write_metadata(
        dataset_metadata.DatasetMetadata(schema), str(out / tft.TFTransformOutput.RAW_METADATA_DIR)
    )
    if config.materialize:
        materialize(Path(inputs.examples), schema, out, config.batch_size)


def _preprocessing_fn(config: Config, module: str) -> Preprocessing:
    """Return the module's function; `custom_config` is bound if it is a parameter, as in TFX's Transform."""
    function: Any = user_code.function(user_code.load(module), "preprocessing_fn")
    if not callable(function):
        raise MlopsError(
            f"{module.partition('@')[0]}: wanted preprocessing_fn to be a function, got {type(function).__name__}"
        )
    if "custom_config" in signature(function).parameters:
        return partial(function, custom_config=as_written(config.custom_config))
    preprocessing_fn: Preprocessing = function
    return preprocessing_fn


def _analyze(
    config: Config, preprocessing_fn: Preprocessing, schema: schema_pb2.Schema, examples: Path, out: Path
) -> None:
    read = partial(_read, examples, schema.SerializeToString(), config.batch_size)
    adapter: TensorAdapterConfig = TFExampleBeamRecord(
        physical_format="inmem", telemetry_descriptors=["mlops"], schema=schema
    ).TensorAdapterConfig()
    # Workers of another runner may be other machines, which see the output but no temporary folder of this one.
    shared = None if any("DirectRunner" in flag for flag in config.beam_args) else out
    with tempfile.TemporaryDirectory(dir=shared, prefix=".analysis-") as temporary:
        if config.engine == "in_process":
            try:
                _publish(in_process.analyze(preprocessing_fn, read, adapter, Path(temporary)), out)
                return
            except in_process.Unsupported as operation:
                log.info("analyzing with Beam, because of %s", operation)
        from components.transform_features import with_beam  # noqa: PLC0415 - Beam takes seconds to import

        with_beam.analyze(preprocessing_fn, read, adapter, config.beam_args, Path(temporary))
        for name in (tft.TFTransformOutput.TRANSFORM_FN_DIR, tft.TFTransformOutput.TRANSFORMED_METADATA_DIR):
            shutil.copytree(Path(temporary) / name, out / name, dirs_exist_ok=True)


def _read(examples: Path, schema: bytes, batch_size: int) -> Iterator[pa.RecordBatch]:
    return record_batches(examples, _SPLIT, schema_pb2.Schema.FromString(schema), batch_size)


def _publish(analyzed: in_process.Analyzed, out: Path) -> None:
    """Copy an analysis to the layout that TFX writes and `tft.TFTransformOutput` reads."""
    metadata = metadata_io.read_metadata(str(analyzed.saved_model / in_process.METADATA))
    folder = out / tft.TFTransformOutput.TRANSFORMED_METADATA_DIR
    metadata_io.write_metadata(metadata, str(folder))
    if analyzed.assets:
        (folder / tft.TFTransformOutput.ASSET_MAP).write_text(json.dumps(analyzed.assets), encoding="utf-8")
    shutil.copytree(analyzed.saved_model, out / tft.TFTransformOutput.TRANSFORM_FN_DIR, dirs_exist_ok=True)
