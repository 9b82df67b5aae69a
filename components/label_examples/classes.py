"""The classes of a label: their names in order, and the label's values in examples."""

from dataclasses import dataclass
from typing import Any

import pyarrow_hotfix  # noqa: F401
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from tensorflow_metadata.proto.v0 import schema_pb2

from components.label_examples.config import Config
from core.errors import ConfigError, LabelingError, did_you_mean
from problems import kind
from problems.labeling.votes import ABSTAIN
from problems.labels import value_name

MOST_CLASSES = 1000


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

        Raises ConfigError when neither has them.
        """
        feature = next((feature for feature in schema.feature if feature.name == config.label), None)
        if feature is None:
            names = [feature.name for feature in schema.feature]
            raise ConfigError(
                f"the schema has no feature for problem.label {config.label!r}{did_you_mean(config.label, names)}"
            )
        names_ = config.classes or _domain(schema, feature)
        if len(names_) < 2:
            raise ConfigError(
                f"label_examples: wanted the classes of {config.label!r}, got none: give the label a domain in the "
                "schema (string_domain, or int_domain with min and max), or set label_examples.classes"
            )
        if config.positive is not None:
            names_ = kind(config.task).class_order(names_, config.positive)
        return cls(config.label, names_, feature.type == schema_pb2.INT)

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


def _domain(schema: schema_pb2.Schema, feature: schema_pb2.Feature) -> tuple[str, ...]:
    if feature.type == schema_pb2.INT:
        first, last = int(feature.int_domain.min), int(feature.int_domain.max)
        return tuple(map(str, range(first, last + 1))) if 0 < last - first < MOST_CLASSES else ()
    shared = {domain.name: tuple(domain.value) for domain in schema.string_domain}
    return shared.get(feature.domain, tuple(feature.string_domain.value))
