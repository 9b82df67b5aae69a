"""The classes of a label: their names in order, and the label's values in examples."""

from dataclasses import dataclass
from typing import Any

import pyarrow_hotfix  # noqa: F401
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from tensorflow_metadata.proto.v0 import schema_pb2

from artifacts.labels import domain
from components.label_examples.config import Config
from core.errors import ConfigError, LabelingError, did_you_mean
from problems import kind
from problems.labeling.votes import ABSTAIN
from problems.labels import value_name


@dataclass(frozen=True)
class LabelClasses:
    """The label's feature and its classes."""

    feature: str
    names: tuple[str, ...]
    is_number: bool
    """Whether examples have the label as an integer."""

    @classmethod
    def of(cls, config: Config, schema: schema_pb2.Schema) -> "LabelClasses":
        """Take the classes from the configuration, or else from the label's domain in the schema.

        Raises SchemaError when neither has them.
        """
        names = config.classes or tuple(map(value_name, domain.classes(schema, config.label)))
        if config.positive is not None:
            names = kind(config.task).class_order(names, config.positive)
        is_number = any(one.name == config.label and one.type == schema_pb2.INT for one in schema.feature)
        return cls(config.label, names, is_number)

    def given(self, batch: pa.RecordBatch) -> NDArray[np.int64]:
        """Return the class of each row's label, [rows], ABSTAIN for a row without; LabelingError for another value."""
        index = batch.schema.get_field_index(self.feature)
        if index < 0:
            return np.full(batch.num_rows, ABSTAIN, np.int64)
        encoded = batch.column(index).dictionary_encode()
        codes = encoded.indices.fill_null(len(encoded.dictionary)).to_numpy(zero_copy_only=False)
        table = [self._number(value) for value in encoded.dictionary.to_pylist()]
        return np.asarray(np.array([*table, ABSTAIN], np.int64)[codes])

    def column(self, numbers: NDArray[np.int64]) -> pa.Array:
        """Return classes, [rows], as values of the label."""
        values: list[Any] = (
            [int(name) for name in self.names] if self.is_number else [name.encode() for name in self.names]
        )
        return pa.array(values, pa.int64() if self.is_number else pa.binary()).take(pa.array(numbers))

    def balance(self, config: Config, gold: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the share of each class, [classes]; that of gold rows is smoothed by one row of each class."""
        given = config.class_balance
        if given == "uniform":
            return np.full(len(self.names), 1 / len(self.names))
        if given == "gold":
            counts = np.bincount(gold, minlength=len(self.names)) + 1.0
            return np.asarray(counts / counts.sum())
        unknown = sorted(set(given) ^ set(self.names))
        if unknown:
            raise ConfigError(
                f"label_examples.class_balance: wanted a share for each of {', '.join(self.names)}, "
                f"got {', '.join(given)}{did_you_mean(unknown[0], self.names)}"
            )
        return np.array([given[name] for name in self.names])

    def _number(self, value: Any) -> int:
        name = value_name(value)
        if name not in self.names:
            raise LabelingError(
                f"label {self.feature!r}: wanted one of {', '.join(self.names)}, got {name!r}"
                f"{did_you_mean(name, self.names)}"
            )
        return self.names.index(name)
