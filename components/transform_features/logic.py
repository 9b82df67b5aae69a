"""Analyze the training split with the user's `preprocessing_fn` and write the transform graph in TFX's layout."""

import atexit
import json
import logging
import shutil
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow_hotfix  # noqa: F401
import tensorflow_transform as tft
from tensorflow_metadata.proto.v0 import schema_pb2
from tensorflow_transform.tf_metadata import dataset_metadata, metadata_io
from tfx_bsl.tfxio.tensor_adapter import TensorAdapterConfig
from tfx_bsl.tfxio.tf_example_record import TFExampleBeamRecord

from adapters.beam_start import workers_of
from adapters.begun import Begun
from adapters.tft import analysis as own_passes
from adapters.tft.passes import RunPhase, in_this_process
from adapters.tft.saved_model import METADATA
from adapters.tft.trace import Preprocessing
from artifacts.examples.manifest import ExamplesManifest
from artifacts.schema.reference import read_referenced
from components.transform_features.analysis import Analysis
from components.transform_features.config import Config
from components.transform_features.materialized import materialize
from components.transform_features.preprocessing import ImportedPreprocessing, preprocessing_fn
from core import user_code
from core.beam.choice import choose
from core.beam.settings import Runner
from core.errors import EmptyDataset
from core.object_stores import locations

log = logging.getLogger(__name__)
_SPLIT = "train"
_ON_WORKERS = "components.transform_features.on_workers"


class Inputs(NamedTuple):
    """References of the module and the schema, and the folder of the examples."""

    module: str
    schema: str
    examples: Path | str


class _Planned(NamedTuple):
    """An analysis that was begun before there were examples."""

    plan: own_passes.Plan
    folder: "tempfile.TemporaryDirectory[str]"
    """The plan's, which is removed with it."""


_BEGUN = Begun[_Planned]()


def prepare(parameters: Mapping[str, Any], artifacts: Mapping[str, str]) -> None:  # noqa: ARG001 - of localrun
    """Trace the user's function while rows are ingested, for an analysis in this process (`localrun`)."""
    config = Config.model_validate(parameters["config"])
    if config.beam is not None:  # workers may be forked, which must happen before anything is traced
        return
    module, schema = parameters["module"], parameters["schema"]
    adapter = _adapter(read_referenced(schema))
    with suppress(own_passes.Unsupported):
        planned = _planned(preprocessing_fn(module, config.custom_config), adapter)
        atexit.register(planned.folder.cleanup)  # the task may never come
        _BEGUN.keep((config, module, schema), planned)


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
    analysis = _analysis(config, inputs, schema, manifest)
    runner = choose(config.beam, manifest.bytes_in(analysis.folder)).runner
    with ExitStack() as workers:
        workers.enter_context(workers_of(runner, _ON_WORKERS))  # before anything is traced, which starts threads
        begun = _BEGUN.take((config, inputs.module, inputs.schema))
        preprocessing = begun.plan.preprocessing_fn if begun else preprocessing_fn(inputs.module, config.custom_config)
        try:
            run = _phases(runner, analysis, preprocessing, out)
            plan, folder = begun or _planned(preprocessing, analysis.adapter)
            with folder:
                _publish(plan.analyze(run), out)
        except own_passes.Unsupported as operation:
            log.info("analyzing with tf.Transform's own pipeline, because of %s", operation)
            runner = runner or _runner_of(config)
            workers.enter_context(workers_of(runner, _ON_WORKERS))
            _analyze_with_beam(runner, analysis, out)
        metadata_io.write_metadata(
            dataset_metadata.DatasetMetadata(schema), str(out / tft.TFTransformOutput.RAW_METADATA_DIR)
        )
        if config.materialize:
            materialize(analysis.folder, schema, out, config.batch_size, runner)


def _planned(preprocessing: Preprocessing, adapter: TensorAdapterConfig) -> _Planned:
    """Trace the function; Unsupported as `Plan.of` raises it."""
    folder = tempfile.TemporaryDirectory(prefix=".analysis-")
    try:
        return _Planned(own_passes.Plan.of(preprocessing, adapter, Path(folder.name)), folder)
    except BaseException:
        folder.cleanup()
        raise


def _adapter(schema: schema_pb2.Schema) -> TensorAdapterConfig:
    reader = TFExampleBeamRecord(physical_format="inmem", telemetry_descriptors=["mlops"], schema=schema)
    return reader.TensorAdapterConfig()


def _analysis(config: Config, inputs: Inputs, schema: schema_pb2.Schema, manifest: ExamplesManifest) -> Analysis:
    return Analysis(
        preprocessing=ImportedPreprocessing(str(user_code.resolve(inputs.module)), config.custom_config),
        folder=locations.located(inputs.examples),
        shards=manifest.of_split(_SPLIT),
        schema=schema,
        adapter=_adapter(schema),
        batch_rows=config.batch_size,
    )


def _phases(runner: Runner | None, analysis: Analysis, preprocessing: Preprocessing, out: Path) -> RunPhase:
    """Return what reads the data of a phase; Unsupported on a runner that tf.Transform's own pipeline suits better.

    Workers elsewhere have so many distinct values, perhaps, that no machine can keep all of them, and take minutes to
    start a job; tf.Transform's own pipeline is one job, which spreads them. Over S3 it cannot run.
    """
    if runner is None:
        return in_this_process(preprocessing, analysis.batches, analysis.adapter)
    from components.transform_features import phase_with_beam  # noqa: PLC0415 - Beam takes seconds to import

    if not phase_with_beam.takes_phases(runner, out):
        raise own_passes.Unsupported(f"workers of {runner.runner}")
    return partial(phase_with_beam.run_phase, runner, analysis, out)


def _analyze_with_beam(runner: Runner, analysis: Analysis, out: Path) -> None:
    """Write the graph of tf.Transform's own pipeline."""
    from adapters.beam_work import work_folder  # noqa: PLC0415
    from components.transform_features import with_beam  # noqa: PLC0415

    with work_folder(runner, out) as work:
        with_beam.analyze(runner, analysis, work)
        for name in (tft.TFTransformOutput.TRANSFORM_FN_DIR, tft.TFTransformOutput.TRANSFORMED_METADATA_DIR):
            locations.copy_here(locations.join(work, name), out / name)


def _runner_of(config: Config) -> Runner:
    """Return the runner for an analysis that only Beam can do: the configured one, else one worker in this process."""
    forced = None if config.beam is None else config.beam.model_copy(update={"engine": "beam"})
    return choose(forced, 0).runner or Runner()


def _publish(analyzed: own_passes.Analyzed, out: Path) -> None:
    """Copy an analysis to the layout that TFX writes and `tft.TFTransformOutput` reads."""
    metadata = metadata_io.read_metadata(str(analyzed.saved_model / METADATA))
    folder = out / tft.TFTransformOutput.TRANSFORMED_METADATA_DIR
    metadata_io.write_metadata(metadata, str(folder))
    if analyzed.assets:
        (folder / tft.TFTransformOutput.ASSET_MAP).write_text(json.dumps(analyzed.assets), encoding="utf-8")
    shutil.copytree(analyzed.saved_model, out / tft.TFTransformOutput.TRANSFORM_FN_DIR, dirs_exist_ok=True)
