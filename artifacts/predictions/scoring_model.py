"""A model that scores rows, with the label that it was trained on."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import tensorflow as tf

from artifacts.model import label as label_file
from artifacts.predictions.predictor import Predictor, saved_model
from problems import kind
from problems.labels import TrainedLabel


@dataclass(frozen=True)
class ScoringModel:
    """A model that scores rows, and the label that it was trained on."""

    predictor: Predictor
    label: TrainedLabel
    folder: Path
    """The output folder of the stage that made it, or the published SavedModel."""

    @classmethod
    def load(cls, folder: Path, otherwise: TrainedLabel) -> Self:
        """Load a model; one without a label file is taken to be trained on the label `otherwise`.

        Raises MlopsError when there is no SavedModel that takes serialized tf.Examples.
        """
        path = saved_model(folder)
        return cls(Predictor(path, otherwise.task), label_file.read(path) or otherwise, folder)

    def with_class_names(self, first: tf.Tensor) -> Self:
        """Fill in missing names of classes: from the model's output for a row, else their numbers."""
        width = self.width(first)
        names = self.label.classes or self.predictor.classes(first)
        if not kind(self.label.task).has_classes:
            names = ()
        elif names and len(names) < width:
            names = (*names, *map(str, range(len(names), width)))
        return replace(self, label=replace(self.label, classes=names))

    def width(self, first: tf.Tensor) -> int:
        """Return the number of classes that the model scores, from its output for a row; 2 for one score a row."""
        output = self.predictor(first)
        return int(output.shape[1]) if output.ndim == 2 else 2
