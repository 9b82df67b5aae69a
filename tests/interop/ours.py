"""This project's stages on what TFX's components wrote, and on its own; the other side is `tests.interop.theirs`.

Usage: python -m tests.interop.ours THEIRS.json FOLDER. It writes FOLDER/made.json: what was made -> path or value.
"""

import json
import shutil
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from artifacts.model.names import SERVING
from artifacts.transform_graph.names import TRANSFORMED_EXAMPLES
from core.backends.registry import ModelVersion, open_registry
from core.errors import SchemaError
from core.store import Store
from mlops.notebook import StageArtifact, StepByStep

PENGUIN = Path(__file__).parent / "penguin"
PREPROCESSING = "from tfx.experimental.templates.penguin.models.preprocessing import preprocessing_fn\n"
BUILD_MODEL = f"""{PREPROCESSING}
import keras

NAMES = ("body_mass_g_xf", "culmen_depth_mm_xf", "culmen_length_mm_xf", "flipper_length_mm_xf")

def build_model(transform_output, hyperparameters):
    inputs = {{name: keras.Input((1,), name=name) for name in NAMES}}
    hidden = keras.layers.Dense(8, activation="relu")(keras.layers.Concatenate()(list(inputs.values())))
    model = keras.Model(inputs, keras.layers.Dense(3, activation="softmax")(hidden))
    model.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy", jit_compile=False)
    return model
"""
EVAL = {"example_splits": ["eval"]}
EPOCHS = {"epochs": 40, "batch_size": 16}
TUNED = "from tfx.examples.penguin.penguin_utils_keras import preprocessing_fn, run_fn\n"


class Side:
    """The use case penguin over the examples that TFX's ExampleGen wrote."""

    def __init__(self, theirs: Mapping[str, str], folder: Path) -> None:
        self.theirs, self.folder = theirs, folder
        self.store = Store(folder / "store")
        self.examples: Any = None

    def steps(self, name: str, module: str | None = None) -> StepByStep:
        """Return the stages of a copy of the use case, with another module where one is given."""
        place = self.folder / name
        shutil.copytree(PENGUIN, place, ignore=shutil.ignore_patterns("data.py", "__pycache__"))
        config = (place / "config.yaml").read_text()
        span = Path(self.theirs["ImportExampleGen.examples"])
        config = config.replace("penguins-{SPAN}.gz", f"{span.parent}/{{SPAN}}/Split-*/*.gz")
        config = config.replace("{by: time, validation: 20}", "{by: hash, validation: 15, eval: 40}")
        (place / "config.yaml").write_text(config)
        if module is not None:
            (place / "module.py").write_text(module)
        return StepByStep(str(place), store=self.store, folder=self.folder / f"{name}-outputs")

    def their(self, output: str, name: str) -> StageArtifact:
        """Return an output of TFX's run as the input of a stage."""
        return StageArtifact(name, self.theirs[output])

    def published(self, name: str, model: StageArtifact) -> ModelVersion:
        """Publish a model, which TFX or this project trained, and put it into production."""
        registry = open_registry(self.store.registry)
        return registry.promote(name, registry.publish(name, Path(model.path) / SERVING, {}).version)


def main(theirs: Path, folder: Path) -> None:
    """Run every stage, each on its own inputs and on TFX's."""
    side = Side(json.loads(theirs.read_text(encoding="utf-8")), folder)
    made: dict[str, Any] = {}
    steps = side.steps("template")
    ingested = steps.run("ingest_examples")
    described = steps.run("compute_statistics", examples=ingested.examples)
    transformed = steps.run("transform_features", examples=ingested.examples)
    trained = steps.run("train_model", examples=ingested.examples, transform_graph=transformed.transform_graph)
    made |= {
        "examples": ingested.examples.path,
        "statistics": described.statistics.path,
        "anomalies": steps.run("validate_data", statistics=described.statistics).anomalies.path,
        "transform_graph": transformed.transform_graph.path,
        "transformed": f"{transformed.transform_graph.path}/{TRANSFORMED_EXAMPLES}",
        "template_is_open": steps.run("evaluate_model", examples=ingested.examples, model=trained.model).returned,
        **_schemas(side, steps),
    }
    made["strict_anomalies"] = _planted(steps, described.statistics, made["strict_schema_folder"])
    made |= _given_theirs(side, steps, ingested.examples)
    made |= _own_model(side, ingested.examples, transformed.transform_graph)
    made |= _tuned(side, ingested.examples, transformed.transform_graph)
    made["store"] = str(side.store.root)
    (folder / "made.json").write_text(json.dumps(made, indent=2), encoding="utf-8")


def _schemas(side: Side, steps: StepByStep) -> dict[str, str]:
    """Write the schema alone in a folder, as TFX has it, and one with a range that the data leaves."""
    curated = (steps.usecase.folder / "schema.pbtxt").read_text()
    domain = "float_domain { min: 0 max: 0.5 "
    start, found, rest = curated.partition('name: "body_mass_g"')
    strict = start + found + rest.replace("float_domain { ", domain, 1)
    for name, text in (("schema_folder", curated), ("strict_schema_folder", strict)):
        (side.folder / name).mkdir()
        (side.folder / name / "schema.pbtxt").write_text(text)
    return {name: str(side.folder / name) for name in ("schema_folder", "strict_schema_folder")}


def _planted(steps: StepByStep, statistics: StageArtifact, folder: str) -> str:
    """Return the anomalies that stopped the data gate under a schema that the data leaves."""
    with suppress(SchemaError):
        steps.run("validate_data", statistics=statistics, schema=f"{folder}/schema.pbtxt")
        raise AssertionError("wanted a closed gate")
    assert steps.last is not None
    return steps.last.anomalies.path


def _given_theirs(side: Side, steps: StepByStep, examples: StageArtifact) -> dict[str, Any]:
    """Run stages on statistics, schema, transform graph and model of TFX's run."""
    validated = steps.run("validate_data", statistics=side.their("StatisticsGen.statistics", "statistics"))
    model = side.their("Trainer.model", "model")
    evaluated = steps.run("evaluate_model", examples=examples, model=model)
    served = steps.run("validate_infra", model=model, evaluation=evaluated.evaluation)
    version = side.published("theirs", model)
    inferred = steps.run("infer_bulk", config=EVAL, examples=examples, model=version.reference)
    own = side.steps("their_graph", BUILD_MODEL)
    graph = side.their("Transform.transform_graph", "transform_graph")
    trained = own.run("train_model", config=EPOCHS, examples=examples, transform_graph=graph)
    return {
        "their_data_is_valid": "pass" in json.loads(Path(validated.decision.path).read_text())["verdict"],
        "their_model_is_open": evaluated.returned,
        "their_model_is_served": served.returned,
        "their_model_inferred": inferred.inference_result.path,
        "their_graph_is_open": own.run("evaluate_model", examples=examples, model=trained.model).returned,
    }


def _own_model(side: Side, examples: StageArtifact, graph: StageArtifact) -> dict[str, Any]:
    """Train a model of our own form, evaluate it and predict with it."""
    steps = side.steps("own", BUILD_MODEL)
    trained = steps.run("train_model", config=EPOCHS, examples=examples, transform_graph=graph)
    evaluated = steps.run("evaluate_model", examples=examples, model=trained.model)
    version = side.published("ours", trained.model)
    config = {**EVAL, "model_signature_name": "classify"}
    inferred = steps.run("infer_bulk", config=config, examples=examples, model=version.reference)
    return {
        "model": trained.model.path,
        "evaluation": evaluated.evaluation.path,
        "is_open": evaluated.returned,
        "inference_result": inferred.inference_result.path,
    }


def _tuned(side: Side, examples: StageArtifact, graph: StageArtifact) -> dict[str, Any]:
    """Train with the hyperparameters that TFX's Tuner found, and write ones of ours as its Trainer reads them."""
    import keras_tuner

    best = Path(side.theirs["Tuner.best_hyperparameters"], "best_hyperparameters.txt")
    steps = side.steps("tuned", TUNED)
    config = {"hyperparameters": json.loads(best.read_text())}
    trained = steps.run("train_model", config=config, examples=examples, transform_graph=graph)
    ours = keras_tuner.HyperParameters()
    for name, value in {"learning_rate": 0.01, "num_layers": 1}.items():
        ours.Fixed(name, value)
    place = side.folder / "hyperparameters"
    place.mkdir()
    (place / best.name).write_text(json.dumps(ours.get_config()))
    is_open = steps.run("evaluate_model", examples=examples, model=trained.model).returned
    return {"tuned_is_open": is_open, "hyperparameters_folder": str(place)}


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]).absolute())
