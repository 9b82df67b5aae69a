"""One loop for every stage: hooks, soft targets, weights and Keras' callbacks act as `model.fit` promises."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow_hotfix  # noqa: F401
import keras
import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf

from components.transform_features.config import Config as TransformConfig
from components.transform_features.logic import Inputs as TransformInputs
from components.transform_features.logic import transform
from core.errors import TrainingError
from tests.written_examples import write_examples
from training.hooks import Hooks
from training.session import Session, Sources, opened
from training.settings import TrainingSettings

SCHEMA = """
feature { name: "late" type: INT presence { min_fraction: 1.0 } shape { dim { size: 1 } } }
feature { name: "x" type: FLOAT presence { min_fraction: 1.0 } shape { dim { size: 1 } } }
feature { name: "y" type: FLOAT presence { min_fraction: 1.0 } shape { dim { size: 1 } } }
"""
MODULE = """
import keras

class Odds(keras.metrics.Metric):
    def __init__(self):
        super().__init__(name="odds")
        self.total = self.add_weight(name="total", initializer="zeros")

    def update_state(self, y_true, y_pred, sample_weight=None):
        self.total.assign_add(keras.ops.sum(keras.ops.cast(y_pred, "float32")))

    def result(self):
        return self.total.value + 0.0

def preprocessing_fn(inputs):
    return dict(inputs)

def build_model(transform_output, hyperparameters):
    inputs = {name: keras.Input((1,), name=name) for name in "xy"}
    hidden = keras.layers.Dense(4, activation="tanh", name="hidden")(keras.layers.Concatenate()(list(inputs.values())))
    model = keras.Model(inputs, keras.layers.Dense(1, activation="sigmoid", name="late")(hidden))
    eager = hyperparameters.get("eager", False)
    model.compile(keras.optimizers.Adam(0.05), "binary_crossentropy", metrics=[Odds()], run_eagerly=eager)
    return model

def callbacks(hyperparameters):
    return {
        "none": lambda: [],
        "rates": lambda: [keras.callbacks.LearningRateScheduler(lambda epoch, rate: 0.05 / (epoch + 1))],
        "stops": lambda: [keras.callbacks.EarlyStopping("odds", mode="max", patience=1, restore_best_weights=True)],
        "batches": lambda: [keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: None)],
        "validation": lambda: [keras.callbacks.LambdaCallback(on_test_end=lambda logs: None)],
        "board": lambda: [keras.callbacks.TensorBoard("/nowhere")],
        "no callback": lambda: [print],
    }[hyperparameters.get("callbacks", "none")]()
"""


def _rows(rows: int, seed: int) -> pa.Table:
    random = np.random.default_rng(seed)
    x, y = random.normal(size=(2, rows)).astype("float32")
    return pa.table({"late": (x + y > 0).astype("int64"), "x": x, "y": y})


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    folder = tmp_path_factory.mktemp("training")
    (folder / "schema.pbtxt").write_text(SCHEMA)
    (folder / "module.py").write_text(MODULE)
    examples = write_examples(folder / "examples", {"train": _rows(600, 0), "validation": _rows(200, 1)})
    module, schema, graph = str(folder / "module.py"), str(folder / "schema.pbtxt"), folder / "graph"
    transform(TransformConfig(), TransformInputs(module, schema, examples), graph)
    settings = TrainingSettings(label="late", task="binary_classification", epochs=3, batch_size=100, read_rows=150)
    with opened(settings, Sources(module, schema, examples, graph)) as found:
        yield found


def _weights(model: keras.Model) -> list[Any]:
    return [weight.numpy() for weight in model.weights]


class Recorded(Hooks):
    """Counts its calls, and keeps one weight of the hidden layer at zero."""

    def __init__(self) -> None:
        self.steps = tf.Variable(0)
        self.calls: list[str] = []

    def begin(self, model: keras.Model) -> None:
        self.calls.append(f"begin with {len(model.optimizer.variables)} variables")

    def before_epoch(self, model: keras.Model, epoch: int) -> None:
        self.calls.append(f"before {epoch}")

    def after_step(self, model: keras.Model) -> None:
        self.steps.assign_add(1)
        kernel = model.get_layer("hidden").kernel
        kernel.assign(kernel * tf.constant([[0.0, 1, 1, 1], [1, 1, 1, 1]]))

    def after_epoch(self, model: keras.Model, epoch: int, metrics: Mapping[str, float]) -> None:
        self.calls.append(f"after {epoch}: {', '.join(metrics)}")
        model.stop_training = epoch == 2

    def end(self, model: keras.Model) -> None:
        self.calls.append("end")

    def kept_epoch(self, epochs: int) -> int | None:
        return epochs


def test_hooks_run_after_every_step_and_around_every_epoch(session: Session, tmp_path: Path) -> None:
    hook, model = Recorded(), session.build()
    fitted = session.fit(model, tmp_path / "checkpoint.npz", [hook])
    named = "loss, odds, val_loss, val_odds"
    assert hook.calls[0] != "begin with 0 variables"
    assert hook.calls[1:] == ["before 1", f"after 1: {named}", "before 2", f"after 2: {named}", "end"]
    assert int(hook.steps) == 2 * 600 / 100
    assert model.get_layer("hidden").kernel.numpy()[0, 0] == 0
    assert fitted.best_epoch == 2
    assert (tmp_path / "checkpoint.npz").is_file()


def test_variants_share_rows_and_equal_settings_give_equal_weights(session: Session) -> None:
    first = session.build()
    session.fit(first)
    other = session.variant(seed=5, epochs=1, hyperparameters={"further": 1})
    assert (other.hyperparameters["train_steps"], other.hyperparameters["further"]) == (6, 1)
    changed = other.build()
    other.fit(changed)
    assert other.rows(changed, "train") is session.rows(first, "train")
    again = session.build()
    session.fit(again)
    for one, two in zip(_weights(first), _weights(again), strict=True):
        np.testing.assert_array_equal(one, two)
    assert any((one != two).any() for one, two in zip(_weights(first), _weights(changed), strict=True))


def test_targets_and_weights_are_replaced_between_epochs(session: Session) -> None:
    splits = session.splits(session.build())
    longer = session.variant(epochs=12)
    try:
        for rows in splits:
            rows.replace(targets=np.full((len(rows), 1), 0.5))
        soft = longer.build()
        longer.fit(soft)
        scores = longer.predictions(soft, splits.validation).scores
        assert np.abs(scores - 0.5).max() < 0.25, "a model of targets of 0.5 is unsure everywhere"

        for rows in splits:
            labels, weights = rows.labels_and_weights()
            assert weights is None
            rows.replace(weights=labels.astype(np.float32))  # class 0 counts nothing
        biased = longer.build()
        longer.fit(biased)
        assert longer.predictions(biased, splits.validation).scores.mean() > 0.8
        with pytest.raises(ValueError, match="a value for each of 600 rows, got 2"):
            splits.training.replace(weights=np.ones(2))
    finally:
        for rows in splits:
            rows.replace()


def test_callbacks_of_the_module_act_as_in_fit(session: Session, tmp_path: Path) -> None:
    rates = session.variant(hyperparameters={"callbacks": "rates"})
    model = rates.build()
    rates.fit(model, tmp_path / "checkpoint.npz")
    assert float(model.optimizer.learning_rate) == pytest.approx(0.05 / 3)
    assert not (tmp_path / "checkpoint.npz").exists(), "the state of callbacks is in no checkpoint"

    stops = session.variant(epochs=30, hyperparameters={"callbacks": "stops"})
    model = stops.build()
    fitted = stops.fit(model)
    odds = fitted.history["odds"]
    assert fitted.best_epoch == int(np.argmax(odds)) + 1
    assert len(odds) == fitted.best_epoch + 1 < 30


@pytest.mark.parametrize(
    ("name", "refused"),
    [
        ("batches", "LambdaCallback has on_train_batch_end, but batches are run in traced functions"),
        ("validation", "LambdaCallback has on_test_end, but batches"),
        ("board", "TensorBoard has on_"),
        ("no callback", "wanted keras.callbacks.Callback, got builtin_function_or_method"),
    ],
)
def test_what_cannot_be_called_is_refused_by_name(session: Session, name: str, refused: str) -> None:
    variant = session.variant(hyperparameters={"callbacks": name})
    with pytest.raises(TrainingError, match=refused):
        variant.fit(variant.build())


def test_a_model_with_its_callbacks_in_a_tuple_is_refused(session: Session) -> None:
    with pytest.raises(TrainingError, match=r"wanted a compiled keras.Model, got tuple.*callbacks\(hyperparameters\)"):
        session.build(lambda *_: (keras.Sequential(), []))


def test_a_model_with_its_own_steps_is_trained_by_them_and_one_with_its_own_loop_is_refused(session: Session) -> None:
    traced = []

    class OwnStep(keras.Model):  # type: ignore[misc]  # Keras has no types
        def train_step(self, data: Any) -> Any:
            traced.append(self)
            return super().train_step(data)

    class Lossless(OwnStep):
        def train_step(self, data: Any) -> Any:
            return {"distance": super().train_step(data)["loss"]}

    class OwnLoop(OwnStep):
        def fit(self, *given: Any, **named: Any) -> Any:
            return super().fit(*given, **named)

    def build(of: type[keras.Model]) -> keras.Model:
        inputs = {name: keras.Input((1,), name=name) for name in "xy"}
        hidden = keras.layers.Concatenate()(list(inputs.values()))
        model = of(inputs, keras.layers.Dense(1, activation="sigmoid", name="late")(hidden))
        model.compile("sgd", "binary_crossentropy")
        return model

    one = session.variant(epochs=1)
    one.fit(one.build(lambda *_: build(OwnStep)))
    assert traced
    with pytest.raises(TrainingError, match=r"Lossless.train_step returns distance; wanted 'loss' among them"):
        one.fit(one.build(lambda *_: build(Lossless)))
    with pytest.raises(TrainingError, match=r"OwnLoop has its own fit, but the training runs train_step and test_step"):
        one.build(lambda *_: build(OwnLoop))


def test_a_model_that_runs_eagerly_is_the_same_model(session: Session) -> None:
    one, eager = session.variant(epochs=1), session.variant(epochs=1, hyperparameters={"eager": True})
    models = [one.build(), eager.build()]
    one.fit(models[0])
    eager.fit(models[1])
    for left, right in zip(_weights(models[0]), _weights(models[1]), strict=True):
        np.testing.assert_allclose(left, right, atol=1e-6)


def test_a_session_over_changed_rows_learns_from_those_and_leaves_the_others(session: Session) -> None:
    def swapped(batch: pa.RecordBatch) -> pa.RecordBatch:
        columns = [batch.column(batch.schema.get_field_index(name)) for name in ("late", "y", "x")]
        return pa.RecordBatch.from_arrays(columns, ["late", "x", "y"])

    model = session.build()
    before, *_ = next(session.rows(model, "train").blocks())
    changed, *_ = next(session.altered(swapped).rows(model, "train").blocks())
    after, *_ = next(session.rows(model, "train").blocks())
    np.testing.assert_array_equal(changed["x"], before["y"])
    np.testing.assert_array_equal(changed["y"], before["x"])
    np.testing.assert_array_equal(after["x"], before["x"])
