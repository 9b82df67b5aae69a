"""Multi-class classification: scores are a probability per class."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.errors import MlopsError
from core.pictures import Markup
from core.problem import ModelOutput, Task
from problems import charts
from problems.classes import classification_faults, confusion, per_class, shown_class
from problems.gains import OneByOne, Values, mean, paired
from problems.kind import Class, Gain, Scores, TfmaMetric
from problems.scores import OutputFacts, are_logits, softmax

_SMALLEST = 1e-7
"""Probabilities are clipped to this before taking the logarithm, as in Keras."""


class Multiclass(OneByOne):
    """Labels are the index of a class; scores are [rows, classes]."""

    task: Task = "multiclass_classification"
    skill_name = "accuracy"
    signatures = ("classify", "serving_default")
    has_classes = True
    gives_one_score = False
    tfma_plots: tuple[TfmaMetric, ...] = ()

    def width(self, classes: Sequence[str]) -> int | None:
        """One output per class."""
        return len(classes) or None

    def class_count(self, outputs: int | None) -> int | None:
        """One class per output."""
        return outputs

    def class_order(self, found: tuple[str, ...], positive: str | None) -> tuple[str, ...]:
        """Any order is valid."""
        return found

    def positive_fault(self, classes: Sequence[str], positive: str | None) -> str:
        """There is no positive class."""
        return ""

    def tfma_metrics(self, threshold: float) -> tuple[TfmaMetric, ...]:
        """Return accuracy and cross-entropy."""
        names = ("ExampleCount", "SparseCategoricalAccuracy", "SparseCategoricalCrossentropy")
        return tuple(TfmaMetric(name) for name in names)

    def tfma_label(self, labels: Values) -> NDArray[Any]:
        """Return the indices of the classes as integers."""
        return labels.astype(np.int64)

    def shaped(self, output: NDArray[Any], model: str) -> Values:
        """Accept [rows, classes]."""
        scores = np.asarray(output, np.float32)
        if scores.ndim != 2 or scores.shape[1] < 2:
            raise MlopsError(
                f"{model}: wanted predictions of the shape [rows, classes] for {self.task}, got {list(output.shape)}"
            )
        return scores

    def scores(self, output: Values, declared: ModelOutput, facts: OutputFacts | None = None) -> Scores:
        """Return probabilities whose sum is 1; independent probabilities are scaled."""
        facts = facts or OutputFacts.of(output)
        if are_logits(output, declared, facts):
            return Scores(softmax(output), "logits")
        if not facts.adds_up and facts.can_be_scaled:
            return Scores(np.asarray(output / output.sum(axis=1, keepdims=True), np.float32), "probabilities")
        return Scores(output, "probabilities")

    def label_fault(self, labels: Mapping[float, float], width: int | None) -> str:
        """Check that labels are integers from 0 and below the number of outputs, of at least two classes."""
        if len(labels) == 1:
            (value,) = labels
            return f"wanted at least two classes, got {value:g} in all {sum(labels.values())} rows; correct the data"
        wrong = sorted(value for value in labels if value != int(value) or value < 0 or (width and value >= width))
        if wrong:
            some = ", ".join(f"{value:g} ({labels[value]} rows)" for value in wrong[:10])
            top = f"from 0 to {width - 1}, as the model has {width} outputs" if width else "from 0"
            return (
                f"wanted the classes as whole numbers {top}, got {some}; map the label in preprocessing_fn, such as "
                "with tft.compute_and_apply_vocabulary, or give the model more outputs"
            )
        return ""

    def faults(self, labels: Values, scores: Values) -> Iterator[str]:
        """Check that there are at least two classes, and that scores are probabilities."""
        return classification_faults(labels, scores)

    def skill(self, labels: Values, scores: Values, weights: Values | None = None) -> float:
        """Return the accuracy."""
        return mean(_hits(labels, scores), weights)

    def gain(
        self, labels: Values, ours: Values, theirs: Values, confidence: float, weights: Values | None = None
    ) -> Gain:
        """Return the difference of the accuracies, paired by row."""
        return paired(_hits(labels, ours) - _hits(labels, theirs), confidence, weights)

    def row_metrics(self, labels: Values, scores: Values, weights: Values | None = None) -> dict[str, float]:
        """Return accuracy, balanced accuracy, macro F1 and log loss."""
        right = scores[np.arange(len(labels)), labels.astype(np.int64)].astype(np.float64)
        metrics = per_class(labels, np.argmax(scores, axis=1), [str(index) for index in range(scores.shape[1])])
        present = [one for one in metrics if one.rows]
        return {
            "accuracy": mean(np.asarray(np.argmax(scores, axis=1) == labels, np.float64), weights),
            "balanced_accuracy": float(np.mean([one.recall for one in present])),
            "macro_f1": float(np.mean([one.f1 for one in present])),
            "log_loss": mean(-np.log(np.clip(right, _SMALLEST, 1)), weights),
        }

    def undefined(self, labels: Values, metric: str) -> bool:
        """Accuracy is defined for one class too."""
        return False

    def targets(self, labels: Values, width: int) -> Values:
        """Return one-hot labels, whose mean is the rate of each class."""
        return np.eye(width)[labels.astype(np.int64)]

    def table_columns(self, targets: Values) -> list[NDArray[Any]]:
        """Return the columns whose sums are the rows of each class."""
        return list(targets.T)

    def table_skill(self, rates: Values, sums: Values) -> float:
        """Return the accuracy of each cell's commonest class."""
        chosen = np.argmax(rates, axis=1)
        return float(sums[np.arange(len(chosen)), chosen].sum() / sums.sum())

    def linear_model(self) -> Any:
        """A logistic regression over all classes."""
        from sklearn.linear_model import LogisticRegression  # noqa: PLC0415

        return LogisticRegression(max_iter=100, tol=1e-3)

    def linear_scores(self, model: Any, matrix: Any, width: int) -> Values:
        """Return a probability per class; 0 for one that the sample does not have."""
        known = model.predict_proba(matrix)
        scores = np.zeros((matrix.shape[0], width))
        scores[:, model.classes_] = known
        return scores

    def classes(self, labels: Values, scores: Values, names: Sequence[str], threshold: float) -> list[Class]:
        """Return the metrics of each class, predicting the most probable one."""
        return per_class(labels, np.argmax(scores, axis=1), names or [str(index) for index in range(scores.shape[1])])

    def row_errors(self, labels: Values, scores: Values) -> Values:
        """Return the probability of the most probable wrong class minus that of the right class."""
        rows, right = np.arange(len(labels)), labels.astype(np.int64)
        others = scores.copy()
        others[rows, right] = -np.inf
        return np.asarray(others.max(axis=1) - scores[rows, right])

    def describe_label(self, value: float, names: Sequence[str]) -> str:
        """Return the name of the class."""
        return shown_class(value, names)

    def describe_prediction(self, scores: NDArray[Any], names: Sequence[str]) -> str:
        """Return the most probable class with its probability."""
        best = int(np.argmax(scores))
        return f"{shown_class(best, names)}: {float(scores[best]):.3f}"

    def pictures(self, labels: Values, models: Mapping[str, Values], names: Sequence[str]) -> Iterator[Markup]:
        """Draw the confusion matrix and the metrics of each class."""
        scores = next(iter(models.values()))
        shown_names = names or [str(index) for index in range(scores.shape[1])]
        yield charts.confusion_matrix(confusion(labels, np.argmax(scores, axis=1), len(shown_names)), shown_names)
        yield charts.class_table(self.classes(labels, scores, shown_names, 0.5))


def _hits(labels: Values, scores: Values) -> Values:
    return np.asarray(np.argmax(scores, axis=1) == labels, np.float64)
