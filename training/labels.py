"""Finds out how the raw label becomes the numbers that a model is trained on, from the rows themselves."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow_hotfix  # noqa: F401
import numpy as np
import numpy.typing as npt
import pyarrow as pa
from tensorflow_metadata.proto.v0 import schema_pb2

from artifacts.evaluation.columns import MISSING, categories, numbers
from artifacts.examples.batches import record_batches
from core.errors import DataError, TrainingError
from core.object_stores.locations import Location
from problems import kind
from problems.labels import TrainedLabel, value_name
from training.settings import TrainingSettings

MOST_VALUES = 10_000
"""Maximum number of different texts for which a table of classes is kept."""
MOST_NUMBERS = 100
"""The same for integers; with more, unseen ones could have any class."""


@dataclass(frozen=True)
class Classes:
    """Classes that training assigns to raw values, because the module does not transform the label."""

    names: tuple[str, ...]

    @property
    def values(self) -> dict[str, int]:
        """The number of each raw value."""
        return {name: index for index, name in enumerate(self.names)}


def made_by_training(
    settings: TrainingSettings, schema: schema_pb2.Schema, examples: Location, transformed: Mapping[str, Any]
) -> Classes | None:
    """Return the classes of a label that the module does not transform to numbers; None if it does.

    They are the schema's domain, in its order, or else the sorted values of the train split. In a binary
    classification `problem.positive` is class 1. `transformed` is the feature spec of the transform's output.
    """
    feature = next(feature for feature in schema.feature if feature.name == settings.label)
    is_text = feature.type == schema_pb2.BYTES
    left_alone = settings.label not in transformed or transformed[settings.label].dtype == "string"
    if not kind(settings.task).has_classes:
        if is_text and left_alone:
            raise TrainingError(
                f"problem.label {settings.label!r}: wanted numbers for a regression, got text; make them in "
                "preprocessing_fn, or use multiclass_classification"
            )
        return None
    if not left_alone or not (is_text or settings.positive):
        return None
    found = _domain(schema, feature) or _values(settings.label, schema, examples)
    return Classes(kind(settings.task).class_order(found, settings.positive))


def _domain(schema: schema_pb2.Schema, feature: schema_pb2.Feature) -> tuple[str, ...]:
    shared = {domain.name: tuple(domain.value) for domain in schema.string_domain}
    return shared.get(feature.domain, tuple(feature.string_domain.value))


def _values(label: str, schema: schema_pb2.Schema, examples: Location) -> tuple[str, ...]:
    only = schema_pb2.Schema(feature=[feature for feature in schema.feature if feature.name == label])
    found: set[str] = set()
    for batch in record_batches(examples, "train", only, 65_536):
        found |= {value_name(value) for value in one_value(batch, label)[1]}
    return tuple(sorted(found))


def one_value(batch: pa.RecordBatch, label: str) -> tuple[npt.NDArray[np.int32], list[Any]]:
    """Return a code per row, and the values that codes index; TrainingError when a row has no or several labels."""
    try:
        codes, values = categories(batch, label)
    except DataError:
        raise TrainingError(
            f"problem.label {label!r}: wanted one value in every row, got rows with several (multi-label); predict one "
            "of them, make one value of them in the data, or use a use case for each"
        ) from None
    if missing := int(np.count_nonzero(codes == MISSING)):
        raise TrainingError(
            f"problem.label {label!r}: wanted one value in every row, got {missing} of {len(codes)} rows without; "
            "leave such rows out of the data, and set presence in the schema"
        )
    return codes, values


@dataclass
class Observed:
    """Compares the raw label with the trained one, on every row of the train and validation splits."""

    settings: TrainingSettings
    made: Classes | None
    is_same: bool = True
    """Whether the trained label was the raw one in every row."""
    is_function: bool = True
    """Whether every raw value became one class."""
    classes: dict[str, int] = field(default_factory=dict)
    sample: tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]] | None = None
    """The raw and the trained label of some rows, if the label is a number."""
    most: int = MOST_VALUES
    """Maximum number of different values for which classes are kept."""

    def number(self, batch: pa.RecordBatch, trained: npt.NDArray[Any] | None) -> npt.NDArray[Any]:
        """Return the label that is trained on, [rows, 1]; `trained` is the transformed one, where there is one."""
        label = self.settings.label
        codes, values = one_value(batch, label)
        if self.made is not None:
            table = np.array([self.made.values.get(value_name(value), -1) for value in values] or [0], np.int64)
            if (table[codes] < 0).any():
                unknown = sorted(value_name(v) for v in values if value_name(v) not in self.made.values)
                raise TrainingError(
                    f"problem.label {label!r}: wanted one of {', '.join(map(repr, self.made.names))}, "
                    f"got {', '.join(map(repr, unknown[:10]))}; correct the data, or the domain in the schema"
                )
            self.is_same = False
            return table[codes][:, None]
        if trained is None:
            trained = numbers(batch, label).astype(batch[label].type.value_type.to_pandas_dtype())[:, None]
        self._compare(batch, codes, values, trained.reshape(len(codes), -1)[:, 0])
        return trained

    def _compare(
        self, batch: pa.RecordBatch, codes: npt.NDArray[np.int32], values: list[Any], trained: npt.NDArray[Any]
    ) -> None:
        is_text = any(isinstance(value, str) for value in values)
        if self.is_same and not is_text:
            raw = numbers(batch, self.settings.label)
            self.sample = self.sample or (raw[:1000], trained[:1000].astype(np.float64))
            self.is_same = bool(np.array_equal(raw.astype(np.float32), trained.astype(np.float32)))
        self.is_same = self.is_same and not is_text
        if not kind(self.settings.task).has_classes or not self.is_function:
            return
        finite = np.nan_to_num(trained.astype(np.float64))
        pairs = np.unique(np.stack([codes.astype(np.float64), finite], axis=1), axis=0)
        for code, number in pairs.tolist():
            known = self.classes.setdefault(value_name(values[int(code)]), int(number))
            self.is_function = self.is_function and known == number
        self.most = MOST_VALUES if is_text else MOST_NUMBERS
        is_whole = is_text or all(float(value).is_integer() for value in values)
        self.is_function = self.is_function and is_whole and len(self.classes) <= self.most

    def result(self, outputs: int | None, *, in_raw_unit: bool = False) -> TrainedLabel:
        """Return the label for the model's label file; `outputs` is the model's number of outputs, if known."""
        settings, has_classes = self.settings, kind(self.settings.task).has_classes
        width = kind(self.settings.task).class_count(outputs)
        if self.made is not None:
            names = (*self.made.names, *map(str, range(len(self.made.names), width or 0)))
            return TrainedLabel(settings.label, settings.task, classes=names, values=self.made.values)
        if not has_classes:
            if self.is_same or in_raw_unit:
                return TrainedLabel(settings.label, settings.task)
            return TrainedLabel(settings.label, settings.task, "transformed", unit="trained")
        if self.is_same:
            names = tuple(str(at) for at in range(width or 0))
            self._check_positive(names)
            return TrainedLabel(settings.label, settings.task, classes=names)
        if not self.is_function:
            return TrainedLabel(settings.label, settings.task, "transformed")
        names = _names(self.classes, width)
        self._check_positive(names)
        return TrainedLabel(settings.label, settings.task, classes=names, values=dict(self.classes))

    def _check_positive(self, names: tuple[str, ...]) -> None:
        fault = kind(self.settings.task).positive_fault(names, self.settings.positive)
        if fault:
            raise TrainingError(f"problem.positive: {fault}")


def _names(classes: Mapping[str, int], width: int | None) -> tuple[str, ...]:
    """Return the name of each class: its raw values, or its number."""
    named: dict[int, list[str]] = {}
    for name, number in classes.items():
        named.setdefault(number, []).append(name)
    count = width or max(named, default=-1) + 1
    return tuple(_joined(named.get(at, [str(at)])) for at in range(count))


def _joined(names: Iterable[str]) -> str:
    found = sorted(names)
    return " or ".join(found) if len(found) <= 3 else f"{found[0]} or {len(found) - 1} others"
