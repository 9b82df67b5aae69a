"""The loss of a student: the labels, and the predictions of a teacher at a temperature."""

from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from core.problem import Task
from problems import kind

_SMALLEST = 1e-7
"""Probabilities are clipped to this before taking the logarithm, as in Keras."""


def targets(labels: npt.NDArray[Any], scores: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """Return what the loss takes: the label and the teacher's scores, [rows, 1 + scores of a row]."""
    rows = len(labels)
    return np.asarray(np.concatenate([labels.reshape(rows, 1), scores.reshape(rows, -1)], axis=1), np.float32)


def soft_loss(teacher: Any, student: Any, temperature: float) -> Any:
    """Return the divergence (KL) of the student's probabilities from the teacher's at a temperature, [rows].

    Both are logits or logarithms of probabilities, [rows, classes], which are divided by the temperature. The
    gradient of that falls as 1 / temperature^2, so the loss is multiplied by temperature^2: the weight of labels and
    teacher stays the same at every temperature.
    """
    wanted = tf.nn.log_softmax(teacher / temperature)
    found = tf.nn.log_softmax(student / temperature)
    divergence = tf.reduce_sum(tf.exp(wanted) * (wanted - found), axis=1)
    return temperature**2 * divergence


class SoftTargetLoss(keras.losses.Loss):  # type: ignore[misc]  # Keras has no types
    """alpha times the loss of the labels plus 1 - alpha times that of the teacher; takes `targets`."""

    def __init__(self, task: Task, alpha: float, temperature: float, own: Any) -> None:
        """Take the student's `own` loss: it says whether the model gives logits, and is that of a regression."""
        super().__init__(name="soft_targets")
        self._problem = kind(task)
        self._alpha, self._temperature = alpha, temperature
        self._own = keras.losses.get(own)
        config = self._own.get_config() if isinstance(self._own, keras.losses.Loss) else {}
        self._from_logits = bool(config.get("from_logits", False))

    def get_config(self) -> dict[str, Any]:
        """Return whether the student gives logits, which the export asks for."""
        return {"name": self.name, "from_logits": self._from_logits}

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Return the loss of each row."""
        label, taught = y_true[:, :1], y_true[:, 1:]
        if not self._problem.has_classes:
            return self._alpha * self._each(label, y_pred) + (1 - self._alpha) * self._each(taught, y_pred)
        student = self._logarithms(y_pred, from_logits=self._from_logits)
        teacher = self._logarithms(taught, from_logits=False)
        right = tf.one_hot(tf.cast(label[:, 0], tf.int32), student.shape[1])
        hard = -tf.reduce_sum(right * tf.nn.log_softmax(student), axis=1)
        return self._alpha * hard + (1 - self._alpha) * soft_loss(teacher, student, self._temperature)

    def _each(self, wanted: Any, found: Any) -> Any:
        own = self._own.call if isinstance(self._own, keras.losses.Loss) else self._own
        return own(wanted, tf.reshape(found, [tf.shape(wanted)[0], 1]))

    def _logarithms(self, values: Any, *, from_logits: bool) -> Any:
        """Return logits, or the logarithms of probabilities, [rows, classes]; two classes of one score."""
        values = tf.cast(values, tf.float32)
        if not self._problem.gives_one_score:
            return values if from_logits else tf.math.log(tf.clip_by_value(values, _SMALLEST, 1.0))
        score = tf.reshape(values, [-1, 1])
        if from_logits:
            return tf.concat([tf.zeros_like(score), score], axis=1)
        score = tf.clip_by_value(score, _SMALLEST, 1 - _SMALLEST)
        return tf.math.log(tf.concat([1 - score, score], axis=1))
