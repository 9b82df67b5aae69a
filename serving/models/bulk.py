"""Predicts many rows in this process: rows of Arrow columns, as files and examples have them."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import pyarrow_hotfix  # noqa: F401
import numpy as np
import pyarrow as pa

from artifacts.examples.encoder import encode
from artifacts.model.arrow_tensors import tensors
from artifacts.model.features import Features
from core.errors import DataError, did_you_mean
from serving.bodies.columns import Column
from serving.errors import ModelError, RequestError
from serving.models.savedmodel import SavedModel
from serving.signature import DEFAULT_SIGNATURE, Signature, feature_fields

BATCH_ROWS = 4096
"""Rows per call of the model."""
Outputs = dict[str, Column]
"""The outputs of a signature by name, each [rows] or [rows, ...]."""


class Bulk:
    """One model that predicts batches of rows.

    `features` are its own, or the schema's for one made elsewhere; what a row has of `ignored` is left out.
    """

    def __init__(
        self,
        model: SavedModel,
        features: Features,
        ignored: Collection[str] = (),
        signature: str = DEFAULT_SIGNATURE,
    ) -> None:
        """Use a signature of the model; ModelError when there is none, or rows have other inputs than it takes."""
        self.features = features
        self.ignored = frozenset(ignored) | {features.label}
        self._model = model
        self.signature = _signature(model, signature)
        self.rows = model.rows or Signature("rows", feature_fields(features), ())
        if not self.signature.takes_examples and set(self.signature.fields) != set(features.by_name):
            raise ModelError(
                f"the model takes {', '.join(self.signature.fields)}, "
                f"but the features are {', '.join(features.by_name)}"
            )

    def check_header(self, names: Sequence[str], place: str) -> None:
        """Raise DataError for an unknown column, and for a required feature without a column."""
        known = self.ignored.union(self.features.by_name)
        for name in names:
            if name not in known:
                raise DataError(
                    f"{place}: unknown column {name!r}{did_you_mean(name, known)}; remove it, or correct its name"
                )
        if absent := sorted(self.rows.required - set(names)):
            raise DataError(f"{place}: wanted columns for all required features, got none for {', '.join(absent)}")

    def predict(self, batch: pa.RecordBatch, serialized: Sequence[bytes] | None = None, first: int = 0) -> Outputs:
        """Predict rows given as columns of single values or of lists; columns that are no feature are left out.

        `serialized` are the same rows as tf.Examples, where the caller has them; `first` is the number of rows before
        this batch, for errors. Raises DataError for a row that the model cannot predict.
        """
        if self.signature.takes_examples:
            records = encode(self._known(batch)).to_pylist() if serialized is None else serialized
            examples = np.empty(len(records), object)
            examples[:] = records
            return self.run({self.signature.inputs[0].name: examples})
        return self.run(self.fed(batch, first))

    def fed(self, batch: pa.RecordBatch, first: int = 0) -> dict[str, Column]:
        """Return the tensors of raw features of rows; arguments and errors as of `predict`."""
        fed: dict[str, Column] = {}
        for feature in self.features.features:
            at = batch.schema.get_field_index(feature.name)
            fed |= tensors(feature, batch.column(at) if at >= 0 else None, batch.num_rows, first)
        return fed

    def run(self, columns: Mapping[str, Column]) -> Outputs:
        """Run the signature on its tensors; DataError when the model refuses them."""
        try:
            return self._model.run(self.signature, columns)
        except RequestError as error:
            raise DataError(str(error)) from None

    def _known(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        names = [name for name in batch.schema.names if name in self.features.by_name]
        return pa.RecordBatch.from_arrays([batch.column(batch.schema.get_field_index(name)) for name in names], names)


def only_values(outputs: Outputs) -> list[Any]:
    """Return the only output, a value or list per row; ModelError for several outputs, or one that is not finite."""
    if len(outputs) != 1:
        raise ModelError(f"wanted a model with one output, got {', '.join(outputs)}")
    name, values = next(iter(outputs.items()))
    if bad := not_finite(values):
        raise ModelError(
            f"the model's output {name!r} has {bad} values that are not finite numbers; check the training"
        )
    found: list[Any] = values.tolist()
    return found


def not_finite(values: Column) -> int:
    """Return the number of NaN and infinite values."""
    return int(np.count_nonzero(~np.isfinite(values))) if values.dtype.kind == "f" else 0


def _signature(model: SavedModel, name: str) -> Signature:
    try:
        return model.signature(name)
    except RequestError as error:
        raise ModelError(f"{model.path}: {error}") from None
