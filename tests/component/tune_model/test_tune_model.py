"""A point is used only when it surely helps on a later span, and a tuning that was killed repeats no trial."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow_hotfix  # noqa: F401
import numpy as np
import pyarrow as pa
import pytest

from artifacts.tuning.tuning import TUNING, Tuning
from components.train_model.config import Config as TrainConfig
from components.transform_features.config import Config as TransformConfig
from components.transform_features.logic import Inputs as TransformInputs
from components.transform_features.logic import transform
from components.tune_model import workers
from components.tune_model.config import Config
from components.tune_model.logic import Inputs, Outputs, tune
from core.decision import Decision, Verdict
from core.errors import ConfigError, DataError, TrainingError
from tests.written_examples import write_examples, write_spans
from training.session import Sources
from training.settings import TrainingSettings
from training.trials.journal import Journal
from training.trials.problem import Problem
from training.trials.trial import Outcome, Trial

COMPARES_PICTURES = True
SCHEMA = """
feature { name: "late" type: INT presence { min_fraction: 1.0 } shape { dim { size: 1 } } }
feature { name: "x" type: FLOAT presence { min_fraction: 1.0 } shape { dim { size: 1 } } }
feature { name: "crew" type: INT presence { min_fraction: 1.0 } shape { dim { size: 1 } } }
"""
PREPROCESSING = """
import keras

def preprocessing_fn(inputs):
    return dict(inputs)
"""
BUILD = """
def build_model(transform_output, hyperparameters):
    x, crew = keras.Input((1,), name="x"), keras.Input((1,), name="crew", dtype="int64")
    width = int(hyperparameters.get("memory", 0))
    known = [x]
    if width:
        known.append(keras.layers.Flatten()(keras.layers.Embedding(400, width, name="crews")(crew)))
    hidden = keras.layers.Concatenate()(known) if width else x
    width = int(hyperparameters.get("width", 0))
    for units in [*hyperparameters.get("units", []), *([width] if width else [])]:
        hidden = keras.layers.Dense(int(units), activation="relu")(hidden)
    model = keras.Model({"x": x, "crew": crew}, keras.layers.Dense(1, activation="sigmoid")(hidden))
    rate = float(hyperparameters["learning_rate"])
    model.compile(keras.optimizers.Adam(rate), "binary_crossentropy", metrics=[keras.metrics.AUC(name="auc")])
    return model
"""
BUILD_HP = """
def build_model(hp):
    x = keras.Input((1,), name="x")
    hidden = x
    if hp.Boolean("deep", default=False):
        with hp.conditional_scope("deep", [True]):
            hidden = keras.layers.Dense(hp.Int("units", 4, 16, step=4), activation="tanh")(x)
    model = keras.Model({"x": x}, keras.layers.Dense(1, activation="sigmoid")(hidden))
    rate = hp.Float("learning_rate", 0.03, 0.2, sampling="log")
    model.compile(keras.optimizers.Adam(rate), "binary_crossentropy", metrics=["AUC"])
    return model
"""
NETS: dict[str, Any] = {
    "units": {"choices": [[8], [16], [8, 8]]},
    "learning_rate": {"min": 0.02, "max": 0.2, "scale": "log"},
}


def _span(span: int, rows: int = 900) -> Mapping[str, pa.Table]:
    """Rows whose label follows from |x|, which no linear model sees, and from the crew; a span has its own crews."""
    random = np.random.default_rng(span)
    x = random.uniform(-2, 2, rows).astype("float32")
    crew = random.integers(0, 40, rows)
    habit = random.normal(0, 2.5, 40)[crew]
    late = random.random(rows) < 1 / (1 + np.exp(-(5 * np.abs(x) - 5 + habit)))
    table = pa.table({"late": late.astype("int64"), "x": x, "crew": crew + 100 * span})
    return {"train": table.slice(0, rows - 200), "validation": table.slice(rows - 200)}


class World(NamedTuple):
    folder: Path
    graph: Path

    def inputs(self, name: str = "module", build: str = BUILD, examples: Path | None = None) -> Inputs:
        (self.folder / f"{name}.py").write_text(PREPROCESSING + build)
        module, schema = str(self.folder / f"{name}.py"), str(self.folder / "schema.pbtxt")
        return Inputs(module, schema, examples or self.folder / "examples", self.graph)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    folder = tmp_path_factory.mktemp("tuning")
    (folder / "schema.pbtxt").write_text(SCHEMA)
    write_spans(folder / "examples", {span: _span(span) for span in (1, 2, 3)})
    found = World(folder, folder / "graph")
    inputs = found.inputs()
    transform(TransformConfig(), TransformInputs(inputs.module, inputs.schema, inputs.examples), found.graph)
    return found


def _settings(**hyperparameters: Any) -> TrainingSettings:
    return TrainingSettings(
        label="late",
        task="binary_classification",
        epochs=4,
        batch_size=50,
        hyperparameters={"learning_rate": 0.05, **hyperparameters},
    )


def _config(**changes: Any) -> Config:
    return Config.model_validate(
        {"space": NETS, "method": "halving", "trials": 2, "factor": 2, "workers": 1, "seed": 7, **changes}
    )


def _tune(config: Config, settings: TrainingSettings, inputs: Inputs, place: Path) -> Tuning:
    outputs = Outputs(place, place.with_suffix(".json"), place.with_suffix(".html"))
    section = tune(config, settings.model_dump(), inputs, outputs)
    assert TrainConfig.model_validate(section).hyperparameters == settings.hyperparameters | Tuning.read(place).chosen
    return Tuning.read(place)


@pytest.fixture(scope="module")
def tuned(world: World) -> Path:
    """A tuning whose default is a linear model."""
    _tune(_config(compare_seeds=[3]), _settings(), world.inputs(), world.folder / "tuned")
    return world.folder / "tuned"


def test_a_point_that_surely_helps_is_used(world: World, tuned: Path) -> None:
    tuning = Tuning.read(tuned)
    assert (tuning.spans, tuning.held_back, tuning.rows) == ((1, 2), 3, 900)
    assert tuning.applied
    assert tuning.gain.low is not None
    assert tuning.gain.low > 0
    assert tuning.gains.keys() == {3}
    assert tuning.chosen["units"] in ([8], [16], [8, 8])
    assert [(one.rung, one.epochs) for one in tuning.trials] == [(0, 2), (0, 2), (1, 4)]
    decision = Decision.read(tuned.with_suffix(".json"))
    assert decision.is_open
    assert "of the default on span 3, a gain of at least" in str(decision.checks[-1].observed)
    assert tuned.with_suffix(".html").read_text().count("<svg") == 3
    assert [path.name for path in tuned.iterdir()] == [TUNING]


def test_equal_seeds_give_equal_bytes_and_a_killed_tuning_repeats_no_trial(
    world: World, tuned: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    add, run, ended, started = Journal.add, workers._run, [], []

    def add_and_die(journal: Journal, trial: Trial, outcome: Outcome) -> None:
        add(journal, trial, outcome)
        ended.append(trial)
        if len(ended) in (2, 5):
            raise KeyboardInterrupt

    def run_counted(trial: Trial) -> Outcome:
        started.append(trial.key(""))
        return run(trial)

    monkeypatch.setattr(Journal, "add", add_and_die)
    monkeypatch.setattr(workers, "_run", run_counted)
    config, settings = _config(compare_seeds=[3]), _settings()
    inputs = world.inputs()._replace(registry=str(tmp_path / "models"))
    for attempt in range(2):  # the runner gives each attempt an output folder of its own
        with pytest.raises(KeyboardInterrupt):
            _tune(config, settings, inputs, tmp_path / f"killed-{attempt}")
        assert not (tmp_path / f"killed-{attempt}" / TUNING).exists()
    _tune(config, settings, inputs, tmp_path / "tuned")
    assert len(started) == len(set(started)) == 1 + 3 + 2, "the default, the rungs, and two trainings for each seed"
    assert "trial 1 of 4 (kept): AUC" in capsys.readouterr().out
    for name in (TUNING, "../tuned.json", "../tuned.html"):
        assert (tmp_path / "tuned" / name).read_bytes() == (tuned / name).read_bytes(), name


@pytest.mark.nightly("trains ten models")
def test_what_overfits_a_random_split_is_refused(world: World, tmp_path: Path) -> None:
    """An embedding of crews predicts the crews that it was trained on; a later span has others."""
    inputs, settings = world.inputs(), _settings(units=[8])
    with workers.started(Problem(settings, Sources(*inputs[:4]), (1, 2), 3), 1):
        session = workers._opened[-1][1]
        rows = {}
        for name, memory in (("default", 0), ("memory", 16)):
            variant = session.variant(hyperparameters={"memory": memory})
            rows[name] = max(variant.fit(variant.build()).history["val_auc"])
    assert rows["memory"] > rows["default"] + 0.05, "a random split takes the bait"
    space = {"memory": {"choices": [4, 16, 32]}}
    tuning = _tune(_config(space=space, trials=3), settings, inputs, tmp_path / "tuned")
    assert not tuning.applied
    assert tuning.chosen == {}
    decision = Decision.read(tmp_path / "tuned.json")
    assert decision.is_open, "that the default stays is a normal outcome"
    assert str(decision.checks[-1].observed).startswith("the default: AUC")


@pytest.mark.nightly("trains twenty models")
@pytest.mark.parametrize("method", ["halving", "hyperband", "bayesian"])
def test_a_build_model_of_keras_tuner_works_unchanged(world: World, tmp_path: Path, method: str) -> None:
    settings = TrainingSettings(label="late", task="binary_classification", epochs=4, batch_size=50)
    config = _config(space={}, method=method, trials=4, compare_seeds=[3], seed=2)
    tuning = _tune(config, settings, world.inputs("kt", BUILD_HP), tmp_path / "tuned")
    assert set(tuning.space) == {"deep", "units", "learning_rate"}
    assert len(tuning.trials) == {"halving": 7, "hyperband": 15, "bayesian": 4}[method]
    assert all(("units" in one.hyperparameters) == bool(one.hyperparameters["deep"]) for one in tuning.trials)
    assert tuning.best_trial.hyperparameters["deep"]
    assert tuning.applied == (not tuning.on_bounds)


@pytest.mark.nightly("trains six models")
def test_a_best_point_on_a_bound_keeps_the_default(world: World, tmp_path: Path) -> None:
    config = _config(space={"width": {"min": 8, "max": 9}}, trials=2, compare_seeds=[3])
    tuning = _tune(config, _settings(), world.inputs(), tmp_path / "tuned")
    assert tuning.on_bounds == ("width",)
    assert not tuning.applied
    decision = Decision.read(tmp_path / "tuned.json")
    assert decision.verdict is Verdict.FAIL
    assert decision.next_step.startswith("widen width in tune_model.space")


BAD: dict[str, tuple[dict[str, Any], str, type[Exception], str]] = {
    "unknown": (
        {"space": {"learning_rte": {"min": 1, "max": 2}}},
        BUILD,
        ConfigError,
        "did you mean 'learning_rate'",
    ),
    "empty": (
        {"space": {}},
        BUILD,
        ConfigError,
        "got an empty space; build_model reads learning_rate, memory, units, width",
    ),
    "declared twice": ({}, BUILD_HP, ConfigError, r"build_model\(hp\) in module.py declares the space itself"),
    "declares none": ({"space": {}}, "\ndef build_model(hp):\n    pass\n", ConfigError, "declares none"),
    "diverges": ({"space": {"learning_rate": {"min": 1e29, "max": 1e30}}}, BUILD, TrainingError, "no trial ended with"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_tuned_is_named(world: World, tmp_path: Path, case: str) -> None:
    changes, build, error, named = BAD[case]
    with pytest.raises(error, match=named):
        _tune(_config(**changes), _settings(units=[8]), world.inputs(case.replace(" ", "_"), build), tmp_path)


def test_one_span_is_refused(world: World, tmp_path: Path) -> None:
    examples = write_examples(tmp_path / "examples", _span(1))
    with pytest.raises(
        DataError, match=r"wanted two spans to train on.*got span 1 alone.*raise ingest_examples.window"
    ):
        _tune(_config(), _settings(), world.inputs(examples=examples), tmp_path)
