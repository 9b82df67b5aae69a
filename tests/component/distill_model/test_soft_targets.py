"""A student's loss: the weight of labels and teacher is what alpha says, at every temperature."""

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from components.distill_model.soft_targets import SoftTargetLoss, soft_loss, targets
from components.distill_model.students import compile_for_teacher

CLASSES = "multiclass_classification"


def _gradient(teacher: Any, student: Any, temperature: float) -> Any:
    variable = tf.Variable(student)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(soft_loss(tf.constant(teacher), variable, temperature))
    return tape.gradient(loss, variable).numpy()


def test_the_square_of_the_temperature_keeps_the_gradient_from_falling() -> None:
    random = np.random.default_rng(0)
    teacher, student = random.normal(size=(2, 50, 4)).astype(np.float32)
    # At high temperatures the gradient is the difference of the centered logits over the number of classes.
    centered = (student - student.mean(axis=1, keepdims=True)) - (teacher - teacher.mean(axis=1, keepdims=True))
    for temperature in (50.0, 100.0, 200.0):
        np.testing.assert_allclose(_gradient(teacher, student, temperature), centered / 4, atol=0.02)
    # Without the factor it would be a sixteenth at four times the temperature.
    plain = [np.abs(_gradient(teacher, student, one) / one**2).mean() for one in (50.0, 200.0)]
    assert plain[0] / plain[1] == pytest.approx(16, rel=0.05)


def test_at_temperature_one_the_loss_is_that_of_mixed_labels() -> None:
    random = np.random.default_rng(1)
    labels, taught, found = random.integers(0, 2, 200).astype(float), *random.random((2, 200))
    loss = SoftTargetLoss("binary_classification", 0.3, 1.0, "binary_crossentropy")
    got = loss.call(tf.constant(targets(labels, taught)), tf.constant(found[:, None], tf.float32)).numpy()
    mixed = 0.3 * labels + 0.7 * taught
    wanted = -(mixed * np.log(found) + (1 - mixed) * np.log1p(-found))
    entropy = -(taught * np.log(taught) + (1 - taught) * np.log1p(-taught))
    np.testing.assert_allclose(got, wanted - 0.7 * entropy, atol=1e-4)


@pytest.mark.parametrize("task", ["binary_classification", CLASSES])
def test_logits_and_probabilities_have_the_same_loss(task: Any) -> None:
    random = np.random.default_rng(2)
    width = 1 if task != CLASSES else 3
    logits = random.normal(size=(40, width)).astype(np.float32)
    scores = tf.nn.softmax(logits) if task == CLASSES else tf.sigmoid(logits)
    taught = random.dirichlet((1, 1, 1), 40) if task == CLASSES else random.random(40)
    given = tf.constant(targets(random.integers(0, width + (width == 1), 40), taught))
    kind = keras.losses.SparseCategoricalCrossentropy if task == CLASSES else keras.losses.BinaryCrossentropy
    from_logits = SoftTargetLoss(task, 0.1, 3.0, kind(from_logits=True))
    from_scores = SoftTargetLoss(task, 0.1, 3.0, kind())
    np.testing.assert_allclose(from_logits.call(given, logits), from_scores.call(given, scores), rtol=1e-3, atol=1e-4)
    assert from_logits.get_config()["from_logits"], "the export makes probabilities of logits"


def test_a_number_is_learned_from_label_and_teacher_by_the_models_own_loss() -> None:
    loss = SoftTargetLoss("regression", 0.25, 1.0, "mean_squared_error")
    given = tf.constant(targets(np.array([1.0, 2.0]), np.array([3.0, 2.0])))
    np.testing.assert_allclose(loss.call(given, tf.constant([[1.0], [4.0]])), [0.75 * 4, 4.0])


def test_a_perfect_student_of_its_teacher_has_no_loss_but_the_labels() -> None:
    scores = np.random.default_rng(3).dirichlet((1, 1, 1), 30).astype(np.float32)
    loss = SoftTargetLoss(CLASSES, 0.0, 2.0, "sparse_categorical_crossentropy")
    np.testing.assert_allclose(loss.call(tf.constant(targets(np.zeros(30), scores)), scores), 0, atol=1e-5)


def test_the_metrics_of_a_student_do_not_see_its_teachers_targets() -> None:
    given = keras.Input((2,))
    model = keras.Model(given, keras.layers.Dense(3, activation="softmax")(given))
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"], jit_compile=False)
    compile_for_teacher(model, SoftTargetLoss(CLASSES, 0.1, 1.0, model.loss))
    taught = targets(np.zeros(6), np.full((6, 3), 1 / 3))
    found = model.test_step((tf.ones((6, 2)), tf.constant(taught)))
    assert set(found) == {"loss"}
