"""The peer: the same steps on the same rows as a TFX pipeline, run by TFX's own LocalDagRunner as a whole process.

`python -m benchmarks.peer_tfx ROWS STORE OPTIONS.json`. InfraValidator is left out: it needs Docker and TensorFlow
Serving's image, so this project alone pays for proving that the model can serve.
"""

import json
import sys
from pathlib import Path
from typing import Any

from tfx import v1 as tfx

from components.evaluate_model.config import Config as EvaluateModel

MODULE = Path(__file__).with_name("peer_module.py")


def pipeline(rows: Path, store: Path, options: dict[str, Any]) -> Any:
    """Wire the peer's pipeline."""
    patterns = {split: f"{split}/*.csv" for split in ("train", "validation", "eval")}
    splits = [tfx.proto.Input.Split(name=name, pattern=pattern) for name, pattern in patterns.items()]
    examples = tfx.components.CsvExampleGen(input_base=str(rows / "csv"), input_config=tfx.proto.Input(splits=splits))
    statistics = tfx.components.StatisticsGen(examples=examples.outputs["examples"])
    schema = tfx.components.ImportSchemaGen(schema_file=options["schema"])
    validated = tfx.components.ExampleValidator(statistics=statistics.outputs["statistics"], schema=schema.outputs["schema"])
    transformed = tfx.components.Transform(
        examples=examples.outputs["examples"],
        schema=schema.outputs["schema"],
        module_file=str(MODULE),
        splits_config=tfx.proto.SplitsConfig(analyze=["train"], transform=["train", "validation"]),
    )
    trained = tfx.components.Trainer(
        module_file=str(MODULE),
        examples=transformed.outputs["transformed_examples"],
        transform_graph=transformed.outputs["transform_graph"],
        schema=schema.outputs["schema"],
        train_args=tfx.proto.TrainArgs(splits=["train"]),
        eval_args=tfx.proto.EvalArgs(splits=["validation"]),
        custom_config={name: options[name] for name in ("batch_size", "epochs", "hyperparameters")},
    )
    evaluated = tfx.components.Evaluator(
        examples=examples.outputs["examples"],
        example_splits=["eval"],
        model=trained.outputs["model"],
        schema=schema.outputs["schema"],
        eval_config=_eval_config(EvaluateModel.model_validate(options["evaluate_model"])),
    )
    pushed = tfx.components.Pusher(
        model=trained.outputs["model"],
        model_blessing=evaluated.outputs["blessing"],
        push_destination=tfx.proto.PushDestination(filesystem=tfx.proto.PushDestination.Filesystem(base_directory=str(store / "pushed"))),
    )
    return tfx.dsl.Pipeline(
        pipeline_name="flight_delay",
        pipeline_root=str(store / "pipeline"),
        components=[examples, statistics, schema, validated, transformed, trained, evaluated, pushed],
        enable_cache=True,
        metadata_connection_config=tfx.orchestration.metadata.sqlite_metadata_connection_config(str(store / "metadata.sqlite")),
        beam_pipeline_args=options["beam"],
    )


def _eval_config(config: EvaluateModel) -> Any:
    """Ask for the metrics and slices that this project computes, without its plots; the bound is one that every model holds."""
    import tensorflow_model_analysis as tfma

    from components.evaluate_model.eval_config import eval_config

    asked = eval_config(config, with_champion=False, plots=False)
    del asked.model_specs[:]
    asked.model_specs.append(tfma.ModelSpec(label_key=config.label, signature_name="serving_default"))
    for metric in asked.metrics_specs[0].metrics:
        if metric.class_name == "AUC":
            metric.threshold.value_threshold.lower_bound.value = 0.0
    return asked


def main() -> None:
    """Run the pipeline once."""
    rows, store, options = (Path(word) for word in sys.argv[1:4])
    store.mkdir(parents=True, exist_ok=True)
    tfx.orchestration.LocalDagRunner().run(pipeline(rows, store, json.loads(options.read_text(encoding="utf-8"))))
    pushed = sorted((store / "pushed").glob("*/saved_model.pb"))
    print(json.dumps({"pushed": [str(path.parent) for path in pushed]}))


if __name__ == "__main__":
    main()
