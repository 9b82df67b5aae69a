"""The labels of a data set as arrays: one vote for each annotator and row."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from artifacts.labels.reader import Label, Value

Places = npt.NDArray[np.intp]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Votes:
    """Labels of classes, [votes] each: `label[i]` is what `annotator[i]` says of `row[i]`."""

    row: Places
    annotator: Places
    label: Places
    rows: tuple[str, ...]
    """Keys."""
    annotators: tuple[str, ...]
    classes: tuple[Value, ...]

    @classmethod
    def of(cls, labels: Sequence[Label], classes: Sequence[Value], rows: Sequence[str]) -> "Votes":
        """Return votes in the order of the labels; `rows` has their keys, and annotators are sorted."""
        annotators = sorted({label.annotator for label in labels})
        row, annotator, value = (
            {one: place for place, one in enumerate(names)} for names in (rows, annotators, list(classes))
        )
        return cls(
            np.array([row[label.key] for label in labels], np.intp),
            np.array([annotator[label.annotator] for label in labels], np.intp),
            np.array([value[label.label] for label in labels], np.intp),
            tuple(rows),
            tuple(annotators),
            tuple(classes),
        )

    def counts(self) -> Floats:
        """Return how many annotators gave each label, [rows, classes]."""
        shape = (len(self.rows), len(self.classes))
        cells = np.bincount(self.row * shape[1] + self.label, minlength=shape[0] * shape[1])
        return cells.reshape(shape).astype(np.float64)

    def matrix(self) -> Places:
        """Return each annotator's label of each row, [annotators, rows], -1 where there is none."""
        found = np.full((len(self.annotators), len(self.rows)), -1, np.intp)
        found[self.annotator, self.row] = self.label
        return found
