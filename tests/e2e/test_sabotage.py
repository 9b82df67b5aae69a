"""Every planted fault is stopped by the gate that is named for it, and nothing is pushed."""

from typing import Any

import numpy as np
import pytest

from core.backends.registry import open_registry

from .conftest import Fault, Road

pytestmark = pytest.mark.timeout(900)
RNG = np.random.default_rng(2013)


def _without_distance(month: Any) -> Any:
    return month.drop(columns=["distance"])


def _hour_as_words(month: Any) -> Any:
    return month.assign(hour=month["hour"].map(lambda hour: f"{hour} o'clock"))


def _hour_as_float(month: Any) -> Any:
    return month.assign(hour=month["hour"].astype("float64"))


def _new_carrier(month: Any) -> Any:
    return month.assign(carrier=month["carrier"].where(RNG.random(len(month)) > 0.2, "ZZ"))


def _nobody_is_late(month: Any) -> Any:
    return month.assign(late=0)


def _shuffled(month: Any) -> Any:
    return month.assign(late=RNG.permutation(month["late"].to_numpy()))


def _leak(month: Any) -> Any:
    return month.assign(plane_age=month["late"] * 30.0 + RNG.random(len(month)))


def _all_at_night(month: Any) -> Any:
    return month.assign(hour=month["hour"].where(RNG.random(len(month)) > 0.5, 23))


def _canary(month: Any) -> Any:
    """A few rows whose destination is somebody's canary: too few for the bound on unknown values."""
    return month.assign(dest=month["dest"].where(np.arange(len(month)) > 2, "canary-0123456789abcdef"))


def _jfk_upside_down(month: Any) -> Any:
    return month.assign(late=month["late"].where(month["origin"] != "JFK", 1 - month["late"]))


def _untrained(settings: dict[str, Any]) -> dict[str, Any]:
    """A candidate that passes every absolute bound but one: the champion."""
    settings["problem"]["metrics"][0]["at_least"] = 0.30
    settings["scope_use_case"]["reference"]["baseline_value"] = 0.30
    settings["evaluate_model"]["baselines"] = []
    settings["train_model"]["epochs"] = 1
    settings["train_model"]["batch_size"] = 20_000
    return settings


NAN = """

_build_model = build_model


def build_model(transform_output, hyperparameters):
    import keras

    trained = _build_model(transform_output, hyperparameters)

    @keras.saving.register_keras_serializable("sabotage")
    class NotANumber(keras.layers.Layer):
        def call(self, inputs, training=False):
            return inputs if training else inputs * float("nan")

    model = keras.Model(trained.inputs, NotANumber()(trained.output))
    model.compile(optimizer="adam", loss="binary_crossentropy")
    return model
"""

SLOW = """

_build_model = build_model


def build_model(transform_output, hyperparameters):
    import keras
    import tensorflow as tf

    trained = _build_model(transform_output, hyperparameters)

    class Slow(keras.layers.Layer):
        def call(self, inputs, training=False):
            if training:
                return inputs
            turns = tf.where(tf.shape(inputs)[0] == 1, 20_000, 0)  # an evaluation asks for many rows and need not wait
            wasted = tf.while_loop(lambda i, x: i < turns, lambda i, x: (i + 1, tf.sin(x)), (0, inputs))[1]
            return inputs + 0.0 * wasted

    model = keras.Model(trained.inputs, Slow()(trained.output))
    model.compile(optimizer="adam", loss="binary_crossentropy")
    return model
"""


def _asked_a_few_times(settings: dict[str, Any]) -> dict[str, Any]:
    """Each answer of a slow model takes tenths of a second, one operation after the other on any machine."""
    settings["validate_infra"] |= {"rows": 8, "median_latency_ms": 10}
    return settings


BATCH = """

_build_model = build_model


def build_model(transform_output, hyperparameters):
    import keras

    trained = _build_model(transform_output, hyperparameters)

    class OfTheBatch(keras.layers.Layer):
        def call(self, inputs, training=False):
            return inputs if training else inputs + 0.05 * (keras.ops.mean(inputs) - inputs)

    model = keras.Model(trained.inputs, OfTheBatch()(trained.output))
    model.compile(optimizer="adam", loss="binary_crossentropy")
    return model
"""


def _explained(settings: dict[str, Any]) -> dict[str, Any]:
    """Explanations instead of the serving gate, which would stop this model too."""
    settings["explain_model"] = {"min_stability": 0, "rows": 20, "permutation_rows": 0, "worst": 0}
    settings["validate_infra"] = None
    waived = {"validate_infra": "answers that depend on the batch are what another gate is to find"}
    settings["push_model"] = {"requires": ["evaluate_model", "explain_model"], "waives": waived}
    return settings


WITHOUT_EQUIVALENT = """

_build_model = build_model


def build_model(transform_output, hyperparameters):
    import keras
    import tensorflow as tf

    trained = _build_model(transform_output, hyperparameters)

    class Bessel(keras.layers.Layer):
        def call(self, inputs):
            return inputs * tf.math.bessel_i0e(0.0 * inputs)

    model = keras.Model(trained.inputs, Bessel()(trained.output))
    model.compile(optimizer="adam", loss="binary_crossentropy")
    return model
"""

JFK_BY_SMALL_WEIGHTS = """

_build_model = build_model


def build_model(transform_output, hyperparameters):
    import keras
    import numpy as np

    # Flights from JFK go through weights that a huge one beside them, of an input that is always 0, rounds to nothing.
    trained = _build_model(transform_output, hyperparameters)
    inputs = {one.name: one for one in trained.inputs}
    jfk = list(transform_output.vocabulary_by_name("origin")).index(b"JFK")
    hours = keras.layers.Flatten()(keras.layers.Embedding(HOURS, 30, name="hours")(inputs["hour"]))
    distance = inputs["numbers"][:, NUMBERS.index("distance")][:, None]
    hidden = keras.layers.Concatenate()([hours, distance, distance * 0.0])
    layer = keras.layers.Dense(40, activation="relu", name="of_jfk")
    small = keras.layers.Dense(1, activation="sigmoid", name="small")(layer(hidden))
    layer.kernel.assign(np.concatenate([layer.kernel.numpy()[:-1], np.full((1, 40), 1e5)]))
    is_jfk = keras.ops.cast(keras.ops.equal(inputs["origin"], jfk), "float32")
    model = keras.Model(trained.input, is_jfk * small + (1.0 - is_jfk) * trained.output)
    model.compile(optimizer=keras.optimizers.Adam(0.003), loss="binary_crossentropy", jit_compile=False)
    return model
"""


def _compressed(settings: dict[str, Any]) -> dict[str, Any]:
    """Compress, and let the evaluation pass nearly everything, so that the compression's own gate has to stop it."""
    settings["compress_model"] = {"ship": "dynamic_range"}
    settings["push_model"] = {"requires": ["evaluate_model", "validate_infra", "compress_model"]}
    settings["problem"]["metrics"][0]["at_least"] = 0.3
    settings["scope_use_case"]["reference"]["baseline_value"] = 0.3
    settings["evaluate_model"] |= {"baselines": [], "slice_thresholds": []}
    settings["evaluate_model"]["change"] = [{"metric": "auc", "at_least_change": -0.5}]
    return settings


BIASED = """

_build_model = build_model


def build_model(transform_output, hyperparameters):
    import keras

    trained = _build_model(transform_output, hyperparameters)
    origin = next(one for one in trained.inputs if one.name == "origin")

    class Favour(keras.layers.Layer):
        def call(self, inputs, training=False):
            probability, airport = inputs
            if training:
                return probability
            logit = keras.ops.log(probability / (1 - probability))
            return keras.ops.sigmoid(logit + 2.0 * keras.ops.cast(airport == 0, "float32"))

    model = keras.Model(trained.inputs, Favour()([trained.output, origin]))
    model.compile(optimizer="adam", loss="binary_crossentropy")
    return model
"""


def _fair_to_airports(settings: dict[str, Any]) -> dict[str, Any]:
    why = "flights of every airport are called late by the same rules"
    rule = {"rate": "false_positive_rate", "groups": [["origin"]], "at_most": 0.2, "threshold": 0.4, "why": why}
    settings["measure_fairness"] = {"groups": [["origin"]], "gaps": [rule]}
    settings["push_model"] = {"requires": ["evaluate_model", "validate_infra", "measure_fairness"]}
    settings["problem"]["metrics"][0]["at_least"] = 0.50
    settings["scope_use_case"]["reference"]["baseline_value"] = 0.50
    settings["evaluate_model"]["baselines"] = []
    settings["evaluate_model"]["change"] = [{"metric": "auc", "at_least_change": -0.5}]
    return settings


FAULTS = [
    Fault("missing column", "validate-data", "distance", data=_without_distance),
    Fault("text where a number was", "validate-data", "hour", data=_hour_as_words),
    Fault("type change", "validate-data", "hour", data=_hour_as_float),
    Fault("unseen category beyond tolerance", "validate-data", "carrier", data=_new_carrier),
    Fault("drifted month", "validate-data", "hour", data=_all_at_night),
    Fault("labels of one class", "validate-data", "late", data=_nobody_is_late),
    Fault("shuffled labels", "evaluate-model", "auc", data=_shuffled),
    Fault("leaked label", "evaluate-model", "leak", data=_leak, spans=(1, 2, 3, 4)),
    Fault("bad slice under a good average", "evaluate-model", "JFK", data=_jfk_upside_down),
    Fault("worse than the champion", "evaluate-model", "champion", config=_untrained),
    Fault("weights that are not numbers", "train-model", "finite", module=NAN),
    Fault("planted canary", "audit-privacy", "examples/dest", data=_canary, spans=(1, 2, 3, 4), reviewed=True),
    Fault("a model too slow to serve", "validate-infra", "latency", config=_asked_a_few_times, module=SLOW),
    Fault("an explanation that does not add up", "explain-model", "do not add up", config=_explained, module=BATCH),
    Fault("a broken conversion", "compress-model", "BesselI0e", config=_compressed, module=WITHOUT_EQUIVALENT),
    Fault("compression loses a slice", "compress-model", "origin=JFK", config=_compressed, module=JFK_BY_SMALL_WEIGHTS),
    Fault("a planted biased model", "measure-fairness", "origin", module=BIASED, config=_fair_to_airports),
]
IN_COMPONENT_TESTS = {
    "shuffled labels": "evaluate_model",
    "leaked label": "evaluate_model",
    "bad slice under a good average": "evaluate_model",
    "planted canary": "audit_privacy",
    "a model too slow to serve": "validate_infra",
    "an explanation that does not add up": "explain_model",
    "a broken conversion": "compress_model",
    "compression loses a slice": "compress_model",
    "a planted biased model": "measure_fairness",
}
"""Fault -> the stage whose own tests plant it by default; a closed gate stops the run whichever of its rules failed."""
CASES = [
    pytest.param(fault, marks=pytest.mark.nightly(f"trains a model; tests/component/{stage} plants this fault too"))
    if (stage := IN_COMPONENT_TESTS.get(fault.name))
    else fault
    for fault in FAULTS
]


@pytest.mark.parametrize("fault", CASES, ids=lambda fault: fault.name)
def test_the_named_gate_stops_it_and_nothing_is_pushed(road: Road, fault: Fault) -> None:
    registry = open_registry(str(road.store.models))
    before = registry.champion("flight_delay")
    outcome = road.run(road.usecase(fault.name.replace(" ", "_"), fault))
    stopped_by = (
        outcome.failed.name
        if outcome.failed
        else outcome.closed.gate.replace("_", "-")
        if outcome.closed
        else "nothing"
    )
    error = outcome.failed.error if outcome.failed else ""
    decision = outcome.closed.model_dump_json() if outcome.closed else ""
    message = f"{outcome.headline} {outcome.next_step} {error} {decision}"
    assert stopped_by == fault.stops_at, message
    assert fault.says in message
    assert {task.name for task in outcome.tasks if task.error} <= {fault.stops_at}, "nothing else is named"
    assert outcome.exit_code in (1, 3)
    assert outcome.pushed is None
    assert registry.champion("flight_delay") == before


def test_rows_that_do_not_fit_are_not_predicted(road: Road) -> None:
    fault = Fault("rows without a column", "validate-data", "distance", data=_without_distance)
    stopped = road.run(road.usecase("rows_without_a_column", fault), "inference")
    assert (stopped.exit_code, stopped.closed and stopped.closed.gate) == (3, "validate_data")
    assert "distance" in stopped.next_step
    assert stopped.headline == "No predictions were released: validate_data did not pass."
    predicted = road.run(road.usecase("rows_to_predict"), "inference")
    assert predicted.exit_code == 0
    assert [decision.gate for decision in predicted.decisions] == ["validate_data", "infer_bulk"]
