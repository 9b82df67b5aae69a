"""Predicts batches of serialized tf.Examples, and gives them the forms in which they are written."""

import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow_hotfix  # noqa: F401
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx_bsl.coders.example_coder import ExamplesToRecordBatchDecoder

from artifacts.examples import framing
from artifacts.examples.encoder import encode
from artifacts.model.features import Features
from artifacts.model.schema_features import schema_features
from components.infer_bulk.config import Config
from components.infer_bulk.prediction_logs import EXAMPLES, Answered, LogEncoder
from components.infer_bulk.table import feature_columns
from core.errors import DataError
from serving.models.bulk import Bulk, not_finite
from serving.models.savedmodel import SavedModel

Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Model:
    """The model version that predicts, and what it is asked."""

    name: str
    version: int
    digest: str
    saved_model: Path
    config: Config
    schema: bytes
    """The curated schema without derived features, serialized."""


class Predicted(NamedTuple):
    """A batch of rows in the forms that are written; a form that is not wanted is None."""

    rows: int
    not_finite: int
    numbers: dict[str, Numbers]
    """Output column -> a number per row: the prediction, or the greatest of several."""
    classes: Counter[str]
    """Predicted class -> rows."""
    prediction_logs: pa.Buffer | None
    """TFRecord framing included, as for `examples`."""
    examples: pa.Buffer | None
    parquet: pa.RecordBatch | None


class Predictor:
    """A loaded model; may be called from several threads."""

    def __init__(self, model: Model) -> None:
        """Load the model; ModelError when it cannot be, or has no such signature."""
        self._model = model
        self._schema = schema_pb2.Schema.FromString(model.schema)
        loaded = SavedModel(model.saved_model)
        config = model.config
        features = loaded.features or Features(schema_features(self._schema, config.label, config.weight), config.label)
        self._bulk = Bulk(loaded, features, signature=config.model_signature_name)
        signature = self._bulk.signature
        input_name = signature.inputs[0].name if signature.takes_examples else EXAMPLES
        self._encode_log = LogEncoder(Answered(model.name, model.version, signature.name, input_name))
        self._decoders = threading.local()

    @property
    def features(self) -> Features:
        """The features that the model takes."""
        return self._bulk.features

    @cached_property
    def columns(self) -> dict[str, str]:
        """Output of the signature -> feature and column; DataError for an output that there is not."""
        chosen = self._model.config.output_columns
        names = [field.name for field in self._bulk.signature.outputs]
        if unknown := sorted(set(chosen) - set(names)):
            raise DataError(
                f"infer_bulk.output_columns: the signature {self._bulk.signature.name!r} has no output "
                f"{', '.join(unknown)}; it has {', '.join(names)}"
            )
        if chosen:
            return dict(chosen)
        return {names[0]: "prediction"} if len(names) == 1 else {name: name for name in names}

    def __call__(self, records: Sequence[bytes], first: int) -> Predicted:
        """Predict a batch; `first` is the number of rows before it, for errors.

        Raises DataError for a row that the model cannot predict.
        """
        try:
            batch = self._decoder().DecodeBatch(list(records))
        except (RuntimeError, ValueError) as error:
            raise DataError(f"rows {first + 1} to {first + len(records)}: {error}; correct the data") from None
        outputs = self._bulk.predict(batch, records, first)
        predicted, numbers, classes = self._predicted(outputs, len(records))
        wanted = self._model.config.outputs
        return Predicted(
            rows=len(records),
            not_finite=sum(not_finite(values) for values in outputs.values()),
            numbers=numbers,
            classes=classes,
            prediction_logs=_framed(pa.array(self._encode_log(records, outputs), pa.binary()))
            if "prediction_logs" in wanted
            else None,
            examples=_framed(_with_features(records, predicted)) if "examples" in wanted else None,
            parquet=self._table(batch, predicted, first) if "parquet" in wanted else None,
        )

    def _decoder(self) -> ExamplesToRecordBatchDecoder:
        """Return this thread's decoder: one is not for several threads at a time."""
        if not hasattr(self._decoders, "decoder"):
            self._decoders.decoder = ExamplesToRecordBatchDecoder(self._decoded.SerializeToString())
        return self._decoders.decoder

    @cached_property
    def _decoded(self) -> schema_pb2.Schema:
        """The schema of what is decoded: without the label and the weight, which rows to predict often lack."""
        left_out = {self._model.config.label, self._model.config.weight}
        schema = schema_pb2.Schema()
        schema.feature.extend(feature for feature in self._schema.feature if feature.name not in left_out)
        return schema

    def _predicted(
        self, outputs: Mapping[str, Any], rows: int
    ) -> tuple[dict[str, pa.Array], dict[str, Numbers], Counter[str]]:
        """Return the predictions as columns, a number per row of each, and the predicted classes."""
        columns: dict[str, pa.Array] = {}
        numbers: dict[str, Numbers] = {}
        classes: Counter[str] = Counter()
        names = self.features.classes
        for output, column in self.columns.items():
            values = outputs[output].reshape(rows, -1)
            columns[column] = _arrow(values)
            if values.dtype.kind not in "fiub" or values.shape[1] == 0:
                continue
            numbers[column] = values.astype(np.float64).max(axis=1)
            if len(names) == values.shape[1] > 1:
                chosen = pa.array([name.encode() for name in names], pa.binary()).take(pa.array(values.argmax(axis=1)))
                columns[f"{column}_class"] = chosen
                classes.update(name.decode() for name in chosen.to_pylist())
        return columns, numbers, classes

    def _table(self, batch: pa.RecordBatch, predicted: Mapping[str, pa.Array], first: int) -> pa.RecordBatch:
        columns = feature_columns(batch, self._decoded, first)
        for name, column in predicted.items():
            is_text = pa.types.is_binary(column.type) and name.endswith("_class")
            columns[name] = pc.cast(column, pa.string()) if is_text else column
        return pa.RecordBatch.from_arrays(list(columns.values()), list(columns))


def _arrow(values: Any) -> pa.Array:
    """Return predictions, [rows, K], as a column that tf.Example has a type for; a list per row for K > 1."""
    kinds = {"f": (np.float32, pa.float32()), "O": (object, pa.binary())}
    dtype, kind = kinds.get(values.dtype.kind, (np.int64, pa.int64()))
    flat = pa.array(np.ascontiguousarray(values, dtype).reshape(-1), kind)
    width = values.shape[1]
    if width == 1:
        return flat
    return pa.ListArray.from_arrays(pa.array(np.arange(len(values) + 1) * width, pa.int32()), flat)


def _with_features(records: Sequence[bytes], features: Mapping[str, pa.Array]) -> pa.Array:
    """Add features to serialized tf.Examples: protobuf merges messages whose bytes follow each other."""
    added = encode(pa.RecordBatch.from_arrays(list(features.values()), list(features)))
    return pc.binary_join_element_wise(pa.array(records, pa.binary()), added, b"")


def _framed(records: pa.Array) -> pa.Buffer:
    return framing.content(framing.framed(records, framing.crcs(records)))
