"""The peer: the same pipeline on TFX's LocalDagRunner, as a process of its own.

Usage: python -m benchmarks.peer SETTINGS.json FOLDER

InfraValidator is not part of it: it starts TensorFlow Serving's own binary or image, which is not a Python package.
"""

import json
import logging
import sys
from pathlib import Path
from typing import Any

import tensorflow_model_analysis as tfma
from tfx import v1 as tfx
from tfx.components.example_gen.custom_executors import parquet_executor
from tfx.dsl.components.base.base_component import BaseComponent
from tfx.dsl.components.base.executor_spec import BeamExecutorSpec

MODULE = Path(__file__).with_name("peer_module.py")
SPLITS = {"train": "train", "eval": "validation", "judged": "eval"}
"""The peer's split (Trainer insists on `train` and `eval`) -> ours."""


def main(settings_file: Path, folder: Path) -> None:
    """Run the pipeline of the settings; everything it writes lies in the folder."""
    logging.basicConfig(level=logging.INFO, format="%(created).3f %(message)s", stream=sys.stderr)
    settings = json.loads(settings_file.read_text(encoding="utf-8"))
    tfx.orchestration.LocalDagRunner().run(
        tfx.dsl.Pipeline(
            pipeline_name="peer",
            pipeline_root=str(folder / "root"),
            components=_components(settings, folder),
            metadata_connection_config=tfx.orchestration.metadata.sqlite_metadata_connection_config(str(folder / "metadata.sqlite")),
            enable_cache=True,
            beam_pipeline_args=settings["beam_pipeline_args"],
        )
    )


def _components(settings: dict[str, Any], folder: Path) -> list[BaseComponent]:
    examples = _examples(settings)
    statistics = tfx.components.StatisticsGen(examples=examples.outputs["examples"])
    schema = tfx.components.ImportSchemaGen(schema_file=settings["schema"])
    validator = tfx.components.ExampleValidator(statistics=statistics.outputs["statistics"], schema=schema.outputs["schema"])
    transform = tfx.components.Transform(
        examples=examples.outputs["examples"],
        schema=schema.outputs["schema"],
        module_file=str(MODULE),
        splits_config=tfx.proto.SplitsConfig(analyze=["train"], transform=["train", "eval"]),
        custom_config=settings["training"],
    )
    trainer = tfx.components.Trainer(
        module_file=str(MODULE),
        examples=transform.outputs["transformed_examples"],
        transform_graph=transform.outputs["transform_graph"],
        schema=schema.outputs["schema"],
        train_args=tfx.proto.TrainArgs(splits=["train"]),
        eval_args=tfx.proto.EvalArgs(splits=["eval"]),
        custom_config=settings["training"],
    )
    evaluator = tfx.components.Evaluator(
        examples=examples.outputs["examples"],
        example_splits=["judged"],
        model=trainer.outputs["model"],
        schema=schema.outputs["schema"],
        eval_config=_eval_config(settings["evaluation"]),
    )
    pusher = tfx.components.Pusher(
        model=trainer.outputs["model"],
        model_blessing=evaluator.outputs["blessing"],
        push_destination=tfx.proto.PushDestination(filesystem=tfx.proto.PushDestination.Filesystem(base_directory=str(folder / "pushed"))),
    )
    return [examples, statistics, schema, validator, transform, trainer, evaluator, pusher]


def _examples(settings: dict[str, Any]) -> BaseComponent:
    """Read the same files' rows, split beforehand as our own ingestion splits them."""
    reader = settings["reader"]
    pattern = {"parquet": "{}.parquet", "csv": "{}/*.csv", "tfrecord": "Split-{}/*.gz"}[reader]
    splits = [tfx.proto.Input.Split(name=name, pattern=pattern.format(ours)) for name, ours in SPLITS.items()]
    arguments = {"input_base": settings["rows"], "input_config": tfx.proto.Input(splits=splits)}
    match reader:
        case "csv":
            return tfx.components.CsvExampleGen(**arguments)
        case "tfrecord":
            return tfx.components.ImportExampleGen(**arguments)
    from tfx.components.example_gen.component import FileBasedExampleGen

    return FileBasedExampleGen(**arguments, custom_executor_spec=BeamExecutorSpec(parquet_executor.Executor))


def _eval_config(evaluation: dict[str, Any]) -> tfma.EvalConfig:
    """Build the metrics, slices and bounds that our own evaluation has."""
    bounds = evaluation["bounds"]
    metrics = [
        tfma.MetricConfig(class_name=metric["name"], config=json.dumps(metric["config"])[1:-1], threshold=_threshold(bounds.get(metric["name"])))
        for metric in evaluation["metrics"]
    ]
    return tfma.EvalConfig(
        model_specs=[tfma.ModelSpec(label_key=evaluation["label"], signature_name="serving_default", prediction_key="predictions")],
        slicing_specs=[tfma.SlicingSpec(), *(tfma.SlicingSpec(feature_keys=features) for features in evaluation["slices"])],
        metrics_specs=[tfma.MetricsSpec(metrics=metrics)],
    )


def _threshold(at_least: float | None) -> tfma.MetricThreshold | None:
    return None if at_least is None else tfma.MetricThreshold(value_threshold=tfma.GenericValueThreshold(lower_bound={"value": at_least}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]).absolute())
