"""Runs the `run_fn(fn_args)` of a TFX module as TFX's Trainer would, without importing TFX."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow_hotfix  # noqa: F401
import pyarrow as pa
import tensorflow as tf
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx_bsl.tfxio import dataset_options
from tfx_bsl.tfxio.tf_example_record import TFExampleRecord

from artifacts.examples.shards import file_pattern
from artifacts.model import names
from artifacts.transform_graph.names import TRANSFORMED_EXAMPLES
from components.train_model.config import Config
from core.errors import TrainingError
from core.user_config import as_written


class DataAccessor(NamedTuple):
    """TFX's factories of datasets and record batches, for files of tf.Examples, gzipped or not."""

    tf_dataset_factory: Callable[..., tf.data.Dataset]
    record_batch_factory: Callable[..., Iterator[pa.RecordBatch]]
    data_view_decode_fn: Callable[[tf.Tensor], dict[str, Any]] | None = None


@dataclass
class FnArgs:
    """All attributes of TFX 1.16's `FnArgs`; a plain class because a module may set them."""

    working_dir: str | None = None
    train_files: list[str] | None = None
    eval_files: list[str] | None = None
    train_steps: int | None = None
    eval_steps: int | None = None
    schema_path: str | None = None
    schema_file: str | None = None
    transform_graph_path: str | None = None
    transform_output: str | None = None
    data_accessor: DataAccessor | None = None
    serving_model_dir: str | None = None
    eval_model_dir: str | None = None
    model_run_dir: str | None = None
    base_model: str | None = None
    hyperparameters: dict[str, Any] | None = None
    custom_config: dict[str, Any] | None = None


class Paths(NamedTuple):
    """The paths that a `run_fn` reads and writes."""

    examples: Path
    transform_graph: Path
    schema: Path
    model: Path
    base_model: Path | None


def run(run_fn: Callable[[FnArgs], None], config: Config, paths: Paths) -> None:
    """Call the user's `run_fn`; what it raises passes through, TrainingError when it exports no SavedModel."""
    run_fn(fn_args(config, paths))
    saved_model = paths.model / names.SERVING / names.GRAPH
    if not saved_model.is_file():
        raise TrainingError(
            f"{saved_model}: wanted the SavedModel that run_fn saves to fn_args.serving_model_dir, got none"
        )


def fn_args(config: Config, paths: Paths) -> FnArgs:
    """Build the arguments that TFX's Trainer would pass, after verifying the files of the patterns."""
    examples = (
        paths.transform_graph / TRANSFORMED_EXAMPLES if config.run_fn.examples == "transformed" else paths.examples
    )
    if not examples.is_dir():
        raise TrainingError(
            f"{examples}: wanted transformed examples, got none; set transform_features.materialize: true, "
            "or train_model.run_fn.examples: raw for a module that transforms by itself"
        )
    return FnArgs(
        working_dir=str(paths.model / "working"),
        train_files=[file_pattern(examples, "train")],
        eval_files=[file_pattern(examples, config.run_fn.eval_split)],
        train_steps=config.run_fn.train_steps,
        eval_steps=config.run_fn.eval_steps,
        schema_path=str(paths.schema),
        schema_file=str(paths.schema),
        transform_graph_path=str(paths.transform_graph),
        transform_output=str(paths.transform_graph),
        data_accessor=DataAccessor(_datasets, _record_batches),
        serving_model_dir=str(paths.model / names.SERVING),
        eval_model_dir=str(paths.model / names.EVALUATION),
        model_run_dir=str(paths.model / "model_run"),
        base_model=None if paths.base_model is None else str(paths.base_model),
        hyperparameters=as_written(config.hyperparameters) or None,
        custom_config=as_written(config.run_fn.custom_config),
    )


def _reader(files: list[str], schema: schema_pb2.Schema | None) -> TFExampleRecord:
    return TFExampleRecord(file_pattern=files, schema=schema, telemetry_descriptors=["mlops"])


def _datasets(
    files: list[str], options: dataset_options.TensorFlowDatasetOptions, schema: schema_pb2.Schema | None = None
) -> tf.data.Dataset:
    return _reader(files, schema).TensorFlowDataset(options)


def _record_batches(
    files: list[str], options: dataset_options.RecordBatchesOptions, schema: schema_pb2.Schema | None = None
) -> Iterator[pa.RecordBatch]:
    return _reader(files, schema).RecordBatches(options)  # type: ignore[no-any-return]  # tfx_bsl has no types
