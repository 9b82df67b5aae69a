"""A search for a better model that goes wrong passes nothing wrong on: the model in use stays, or the run stops."""

import json
from typing import Any

import pytest

from artifacts.league.league import League
from artifacts.tuning.tuning import Tuning
from mlops.report.outcome import Outcome

from .conftest import Fault, Road

pytestmark = [
    pytest.mark.timeout(900),
    pytest.mark.nightly("each trains a handful of models in a run of its own"),
]

MEMORY = """

_build_model = build_model


def build_model(transform_output, hyperparameters):
    import keras

    trained = _build_model(transform_output, hyperparameters)
    width = int(hyperparameters.get("memory", 0))
    if not width:
        return trained
    # The weather of an hour names the hour: a random part of the same month has its other flights, the next month none.
    inputs = {one.name: one for one in trained.inputs}
    pressure, humid = (inputs["numbers"][:, NUMBERS.index(name)][:, None] for name in ("pressure", "humid"))
    place = keras.ops.cast((pressure + 4.0) * 50.0, "int64") * 100
    place = place + keras.ops.cast((humid + 4.0) * 10.0, "int64")
    place = (place * HOURS + inputs["hour"]) % 20011
    remembered = keras.layers.Flatten()(keras.layers.Embedding(20011, width, name="memory")(place))
    logit = keras.layers.Dense(1, name="remembered")(remembered) + keras.ops.log(trained.output / (1 - trained.output))
    model = keras.Model(trained.input, keras.ops.sigmoid(logit))
    model.compile(keras.optimizers.Adam(0.003), "binary_crossentropy", metrics=[keras.metrics.AUC(name="auc")])
    return model


def build_memory(transform_output, hyperparameters):
    return build_model(transform_output, {**hyperparameters, "memory": 16})
"""

PICKLE = """


def build_pickle(transform_output, hyperparameters):
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression()
"""

OTHER_WHEN_EXPORTED = """


def build_other(transform_output, hyperparameters):
    import keras

    trained = build_model(transform_output, hyperparameters)
    traced = []

    class Moody(keras.layers.Layer):
        def call(self, inputs):
            traced.append(inputs)
            return inputs * (1.0 - 0.001 * len(traced))

    model = keras.Model(trained.input, Moody()(trained.output))
    model.compile(keras.optimizers.Adam(0.003), "binary_crossentropy", jit_compile=False)
    return model
"""


def _tuned(settings: dict[str, Any]) -> dict[str, Any]:
    space = {"memory": {"choices": [8, 32]}}
    settings["tune_model"] = {"method": "halving", "trials": 2, "factor": 2, "space": space, "compare_seeds": [3]}
    return settings


def _on_a_bound(settings: dict[str, Any]) -> dict[str, Any]:
    """The default hardly learns, and the best rates lie beyond the range that is searched."""
    settings["train_model"]["hyperparameters"]["learning_rate"] = 1.0e-6
    space = {"learning_rate": {"min": 2.0e-6, "max": 1.0e-3, "scale": "log", "step": 500}}
    settings["tune_model"] = {"method": "halving", "trials": 2, "factor": 2, "space": space, "compare_seeds": [3]}
    return settings


def _searched(families: Any) -> Any:
    def changed(settings: dict[str, Any]) -> dict[str, Any]:
        settings["search_model"] = {"families": families}
        return settings

    return changed


def _hyperparameters(outcome: Outcome) -> dict[str, Any]:
    """Return those of the model that was evaluated."""
    artifact = outcome.run.artifact("train_model", "model")
    assert artifact is not None, outcome.headline
    found: dict[str, Any] = json.loads((artifact.path / "training.json").read_text(encoding="utf-8"))["hyperparameters"]
    return found


def _league(outcome: Outcome) -> League:
    artifact = outcome.run.artifact("search_model", "league")
    assert artifact is not None, outcome.headline
    return League.read(artifact.path)


def test_a_point_that_memorizes_the_window_is_not_used(road: Road) -> None:
    """On a random part of the window it looks better; tests/component/tune_model has that control."""
    outcome = road.run(road.usecase("memory_tuned", Fault("memory", config=_tuned, module=MEMORY)))
    artifact = outcome.run.artifact("tune_model", "tuning")
    assert artifact is not None, outcome.headline
    tuning = Tuning.read(artifact.path)
    assert not tuning.applied, tuning.gain
    assert "memory" not in _hyperparameters(outcome)
    (decision,) = [one for one in outcome.decisions if one.gate == "tune_model"]
    assert decision.is_open, "that the default stays is a normal outcome"


def test_a_best_point_on_a_bound_keeps_the_default_and_says_so(road: Road) -> None:
    outcome = road.run(road.usecase("tuned_to_a_bound", Fault("bound", config=_on_a_bound)))
    (decision,) = [one for one in outcome.decisions if one.gate == "tune_model"]
    assert not decision.is_open
    assert decision.next_step.startswith("widen learning_rate in tune_model.space")
    assert _hyperparameters(outcome)["learning_rate"] == 1.0e-6
    assert outcome.pushed is None, "a model that hardly learned passes no evaluation"


def test_a_family_that_memorizes_the_window_is_not_chosen(road: Road) -> None:
    fault = Fault("memory", config=_searched({"linear": None, "build_memory": None}), module=MEMORY)
    league = _league(road.run(road.usecase("memory_searched", fault)))
    assert league.chosen != "build_memory"
    assert league.held_out_span == 3


def test_a_family_without_a_saved_model_ends_the_run_before_any_is_trained(road: Road) -> None:
    fault = Fault("pickle", config=_searched({"linear": None, "build_pickle": None}), module=PICKLE)
    outcome = road.run(road.usecase("pickled", fault))
    assert outcome.failed is not None
    assert outcome.failed.name == "search-model"
    assert "wanted a compiled keras.Model, which is exported as a SavedModel, got LogisticRegression" in (
        outcome.failed.error
    )
    assert (outcome.exit_code, outcome.pushed) == (1, None)


def test_a_family_that_answers_otherwise_when_it_is_exported_is_left_out(road: Road) -> None:
    fault = Fault("moody", config=_searched({"linear": None, "build_other": None}), module=OTHER_WHEN_EXPORTED)
    league = _league(road.run(road.usecase("moody", fault)))
    assert "its SavedModel differs from the trained model by" in league.left_out["build_other"]
    assert league.chosen != "build_other"
