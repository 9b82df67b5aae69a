"""The peer: the same steps on the same rows as a TFX pipeline, run by TFX's own LocalDagRunner as a whole process.

Usage: python -m benchmarks.peer SETTINGS.json STORE. InfraValidator is left out: it starts TensorFlow Serving's binary
or image, which is no Python package; so only our own program pays for proving that the model can serve.
"""

import json
import sys
from pathlib import Path
from typing import Any

import tensorflow_model_analysis as tfma
from google.protobuf import text_format
from tfx import v1 as tfx

METADATA = "metadata.sqlite"


def pipeline(settings: dict[str, Any], store: Path) -> Any:
    """Wire the peer's pipeline; everything that it writes lies in the store."""
    patterns = {split: f"{split}/*.csv" for split in ("train", "validation", "eval")}
    splits = [tfx.proto.Input.Split(name=name, pattern=pattern) for name, pattern in patterns.items()]
    examples = tfx.components.CsvExampleGen(input_base=settings["rows"], input_config=tfx.proto.Input(splits=splits))
    statistics = tfx.components.StatisticsGen(examples=examples.outputs["examples"])
    schema = tfx.components.ImportSchemaGen(schema_file=settings["schema"])
    validated = tfx.components.ExampleValidator(
        statistics=statistics.outputs["statistics"], schema=schema.outputs["schema"]
    )
    transformed = tfx.components.Transform(
        examples=examples.outputs["examples"],
        schema=schema.outputs["schema"],
        module_file=settings["module_file"],
        splits_config=tfx.proto.SplitsConfig(analyze=["train"], transform=["train", "validation"]),
        custom_config=settings["training"],
    )
    trained = tfx.components.Trainer(
        module_file=settings["module_file"],
        examples=transformed.outputs["transformed_examples"],
        transform_graph=transformed.outputs["transform_graph"],
        schema=schema.outputs["schema"],
        train_args=tfx.proto.TrainArgs(splits=["train"]),
        eval_args=tfx.proto.EvalArgs(splits=["validation"]),
        custom_config=settings["training"],
    )
    evaluated = tfx.components.Evaluator(
        examples=examples.outputs["examples"],
        example_splits=["eval"],
        model=trained.outputs["model"],
        schema=schema.outputs["schema"],
        eval_config=text_format.Parse(settings["eval_config"], tfma.EvalConfig()),
    )
    pushed = tfx.components.Pusher(
        model=trained.outputs["model"],
        model_blessing=evaluated.outputs["blessing"],
        push_destination=tfx.proto.PushDestination(
            filesystem=tfx.proto.PushDestination.Filesystem(base_directory=str(store / "pushed"))
        ),
    )
    return tfx.dsl.Pipeline(
        pipeline_name="peer",
        pipeline_root=str(store / "pipeline"),
        components=[examples, statistics, schema, validated, transformed, trained, evaluated, pushed],
        enable_cache=True,
        metadata_connection_config=tfx.orchestration.metadata.sqlite_metadata_connection_config(str(store / METADATA)),
        beam_pipeline_args=settings.get("beam_pipeline_args", []),
    )


def main(settings: Path, store: Path) -> None:
    """Run the pipeline once and say what it pushed."""
    store.mkdir(parents=True, exist_ok=True)
    tfx.orchestration.LocalDagRunner().run(pipeline(json.loads(settings.read_text(encoding="utf-8")), store))
    pushed = sorted((store / "pushed").glob("*/saved_model.pb"))
    print(json.dumps({"pushed": [str(path.parent) for path in pushed]}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]).absolute())
