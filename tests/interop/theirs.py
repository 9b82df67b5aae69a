"""TFX's own components, run by TFX: on their data alone, on what this project's stages wrote, or against its server.

Usage: python -m tests.interop.theirs run|read|resolve|ask INPUT.json FOLDER. It writes
FOLDER/made.json: output -> path. A process of its own, because importing tfx switches TensorFlow to Keras 2.
"""

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import tensorflow_model_analysis as tfma
import tfx as package
from tfx import v1 as tfx
from tfx.components.infra_validator import request_builder
from tfx.components.infra_validator.model_server_clients.tensorflow_serving_client import TensorFlowServingClient
from tfx.types import standard_artifacts

DATA = Path(package.__file__).parent / "components" / "testdata" / "penguin" / "data"
TEMPLATE = "tfx.experimental.templates.penguin.models"
EXAMPLES = "tfx.examples.penguin.penguin_utils_keras"
SPLITS = json.dumps(["train", "eval"])


def run(_: Mapping[str, Any], folder: Path) -> dict[str, str]:
    """Run every standard component, the infrastructure's aside, on TFX's penguins."""
    splits = [tfx.proto.Input.Split(name=name, pattern=f"Split-{name}/*") for name in ("train", "eval")]
    examples = tfx.components.ImportExampleGen(str(DATA), input_config=tfx.proto.Input(splits=splits))
    statistics = tfx.components.StatisticsGen(examples.outputs["examples"])
    schema = tfx.components.SchemaGen(statistics.outputs["statistics"], infer_feature_shape=True)
    validated = tfx.components.ExampleValidator(statistics.outputs["statistics"], schema.outputs["schema"])
    transformed = tfx.components.Transform(
        examples.outputs["examples"],
        schema.outputs["schema"],
        preprocessing_fn=f"{TEMPLATE}.preprocessing.preprocessing_fn",
    )
    inputs = {
        "examples": transformed.outputs["transformed_examples"],
        "transform_graph": transformed.outputs["transform_graph"],
        "train_args": tfx.proto.TrainArgs(num_steps=50),
        "eval_args": tfx.proto.EvalArgs(num_steps=5),
    }
    tuned = tfx.components.Tuner(tuner_fn="tests.interop.theirs.tuner_fn", schema=schema.outputs["schema"], **inputs)
    trained = tfx.components.Trainer(run_fn=f"{TEMPLATE}.model.run_fn", schema=schema.outputs["schema"], **inputs)
    latest = _latest_blessed()
    evaluated = tfx.components.Evaluator(
        examples=examples.outputs["examples"],
        example_splits=["eval"],
        model=trained.outputs["model"],
        baseline_model=latest.outputs["model"],
        eval_config=_eval_config(tfma.ModelSpec(signature_name="serving_default", label_key="species")),
    )
    pushed = _pusher(trained.outputs["model"], evaluated.outputs["blessing"], folder)
    inferred = _inferrer(examples.outputs["examples"], trained.outputs["model"], "serving_default")
    parts = [examples, statistics, schema, validated, transformed, tuned, trained, latest, evaluated, pushed, inferred]
    return _run(parts, folder)


def tuner_fn(fn_args: Any) -> Any:
    """Search as TFX's own example does, whose model of Keras 2 this KerasTuner refuses beside Keras 3."""
    import keras
    import keras_tuner
    import tensorflow_transform as tft
    from tfx.examples.penguin import penguin_utils_base as base

    names = [base.transformed_name(name) for name in base.FEATURE_KEYS]

    def build(found: keras_tuner.HyperParameters) -> keras.Model:
        inputs = {name: keras.Input((1,), name=name) for name in names}
        hidden = keras.layers.Concatenate()(list(inputs.values()))
        for _ in range(found.Int("num_layers", 1, 3, default=2)):
            hidden = keras.layers.Dense(8, activation="relu")(hidden)
        model = keras.Model(inputs, keras.layers.Dense(3, activation="softmax")(hidden))
        rate = found.Choice("learning_rate", [1e-2, 1e-3], default=1e-2)
        model.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
        return model

    graph = tft.TFTransformOutput(fn_args.transform_graph_path)
    train, validation = (
        base.input_fn(files, fn_args.data_accessor, graph, base.TRAIN_BATCH_SIZE)
        for files in (fn_args.train_files, fn_args.eval_files)
    )
    objective = keras_tuner.Objective("val_accuracy", "max")
    tuner = keras_tuner.RandomSearch(build, objective, max_trials=2, directory=fn_args.working_dir, seed=1)
    steps = {"steps_per_epoch": fn_args.train_steps, "validation_steps": fn_args.eval_steps}
    return tfx.components.TunerFnResult(tuner, {"x": train, "validation_data": validation, **steps})


def read(ours: Mapping[str, Any], folder: Path) -> dict[str, str]:
    """Give what this project's stages wrote to TFX's components."""
    examples = _imported("our_examples", ours["examples"], standard_artifacts.Examples, split_names=SPLITS)
    transformed = _imported("our_transformed", ours["transformed"], standard_artifacts.Examples, split_names=SPLITS)
    statistics = _imported(
        "our_statistics", ours["statistics"], standard_artifacts.ExampleStatistics, split_names=SPLITS
    )
    schema = _imported("our_schema", ours["schema_folder"], standard_artifacts.Schema)
    strict = _imported("our_strict_schema", ours["strict_schema_folder"], standard_artifacts.Schema)
    graph = _imported("our_graph", ours["transform_graph"], standard_artifacts.TransformGraph)
    tuned = _imported("our_tuning", ours["hyperparameters_folder"], standard_artifacts.HyperParameters)
    model = _imported("our_model", ours["model"], standard_artifacts.Model)
    blessing = tfx.dsl.Importer(
        source_uri=ours["evaluation"],
        artifact_type=standard_artifacts.ModelBlessing,
        custom_properties={"blessed": int(ours["is_open"])},
    ).with_id("our_blessing")
    described = tfx.components.StatisticsGen(examples.outputs["result"], schema=schema.outputs["result"])
    validated = tfx.components.ExampleValidator(statistics.outputs["result"], strict.outputs["result"])
    again = tfx.components.Transform(
        examples.outputs["result"],
        schema.outputs["result"],
        preprocessing_fn=f"{TEMPLATE}.preprocessing.preprocessing_fn",
    )
    trained = tfx.components.Trainer(
        run_fn=f"{EXAMPLES}.run_fn",
        examples=transformed.outputs["result"],
        transform_graph=graph.outputs["result"],
        schema=schema.outputs["result"],
        hyperparameters=tuned.outputs["result"],
        train_args=tfx.proto.TrainArgs(splits=["train"], num_steps=50),
        eval_args=tfx.proto.EvalArgs(splits=["train"], num_steps=5),
    )
    spec = tfma.ModelSpec(signature_name="classify", label_key="species", prediction_key="scores")
    evaluated = tfx.components.Evaluator(
        examples=examples.outputs["result"],
        example_splits=["eval"],
        model=model.outputs["result"],
        eval_config=_eval_config(spec),
    )
    pushed = _pusher(model.outputs["result"], blessing.outputs["result"], folder)
    inferred = _inferrer(examples.outputs["result"], model.outputs["result"], "classify")
    imported = [examples, transformed, statistics, schema, strict, graph, tuned, model, blessing]
    return _run([*imported, described, validated, again, trained, evaluated, pushed, inferred], folder)


def resolve(_: Mapping[str, Any], folder: Path) -> dict[str, str]:
    """Push the latest blessed model of an earlier run in the folder, as TFX's Resolver finds it."""
    latest = _latest_blessed()
    place = tfx.proto.PushDestination.Filesystem(base_directory=str(folder / "resolved"))
    pushed = tfx.components.Pusher(
        model=latest.outputs["model"], push_destination=tfx.proto.PushDestination(filesystem=place)
    )
    return _run([latest, pushed], folder)


def ask(given: Mapping[str, Any], _: Path) -> dict[str, str]:
    """Ask this project's server as InfraValidator asks TensorFlow Serving: its requests, by its client."""
    model, examples = standard_artifacts.Model(), standard_artifacts.Examples()
    model.uri, examples.uri, examples.split_names = given["model"], given["examples"], SPLITS
    serving = tfx.proto.TensorFlowServingRequestSpec(signature_names=["classify"])
    spec = tfx.proto.RequestSpec(tensorflow_serving=serving, split_name="eval", num_examples=20)
    requests = request_builder.build_requests(given["name"], model, examples, spec)
    client = TensorFlowServingClient(given["endpoint"], given["name"])
    client.WaitUntilModelLoaded(deadline=given["deadline"], polling_interval_sec=1)
    client.SendRequests(requests)  # raises for an answer that is an error
    return {"requests": str(len(requests))}


def _latest_blessed() -> Any:
    return tfx.dsl.Resolver(
        strategy_class=tfx.dsl.experimental.LatestBlessedModelStrategy,
        model=tfx.dsl.Channel(type=standard_artifacts.Model),
        model_blessing=tfx.dsl.Channel(type=standard_artifacts.ModelBlessing),
    ).with_id("latest_blessed")


def _imported(name: str, place: str, kind: Any, **properties: Any) -> Any:
    return tfx.dsl.Importer(source_uri=place, artifact_type=kind, properties=properties).with_id(name)


def _eval_config(spec: tfma.ModelSpec) -> tfma.EvalConfig:
    bound = tfma.MetricThreshold(value_threshold=tfma.GenericValueThreshold(lower_bound={"value": 0.5}))
    accuracy = tfma.MetricConfig(class_name="SparseCategoricalAccuracy", threshold=bound)
    return tfma.EvalConfig(
        model_specs=[spec], slicing_specs=[tfma.SlicingSpec()], metrics_specs=[tfma.MetricsSpec(metrics=[accuracy])]
    )


def _pusher(model: Any, blessing: Any, folder: Path) -> Any:
    place = tfx.proto.PushDestination.Filesystem(base_directory=str(folder / "pushed"))
    return tfx.components.Pusher(
        model=model, model_blessing=blessing, push_destination=tfx.proto.PushDestination(filesystem=place)
    )


def _inferrer(examples: Any, model: Any, signature: str) -> Any:
    return tfx.components.BulkInferrer(
        examples=examples,
        model=model,
        data_spec=tfx.proto.DataSpec(example_splits=["eval"]),
        model_spec=tfx.proto.ModelSpec(model_signature_name=[signature]),
    )


def _run(components: list[Any], folder: Path) -> dict[str, str]:
    """Run a pipeline and return where each output lies, as `component.output`."""
    root = folder / "root"
    connection = tfx.orchestration.metadata.sqlite_metadata_connection_config(str(folder / "metadata.sqlite"))
    tfx.orchestration.LocalDagRunner().run(
        tfx.dsl.Pipeline("interop", str(root), components=components, metadata_connection_config=connection)
    )
    made = {}
    for execution in root.glob("*/*/*"):
        if execution.name.isdigit():
            made[f"{execution.parent.parent.name}.{execution.parent.name}"] = str(execution)
    return made


COMMANDS: Mapping[str, Callable[[Mapping[str, Any], Path], dict[str, str]]] = {
    "ask": ask,
    "read": read,
    "resolve": resolve,
    "run": run,
}


def main(command: str, given: Path, folder: Path) -> None:
    """Run one command."""
    folder.mkdir(parents=True, exist_ok=True)
    made = COMMANDS[command](json.loads(given.read_text(encoding="utf-8")), folder)
    (folder / "made.json").write_text(json.dumps(made, indent=2), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]).absolute())
