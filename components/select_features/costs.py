"""What each feature costs in the transform of this use case."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import pyarrow_hotfix  # noqa: F401
import pyarrow as pa
import tensorflow_transform as tft
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx_bsl.tfxio.tensor_adapter import TensorAdapter
from tfx_bsl.tfxio.tf_example_record import TFExampleBeamRecord

from adapters.tft.costs import column_costs

_ROWS = 2048


class Cost(NamedTuple):
    """The cost of one feature; None where it is not known."""

    nanoseconds: float | None = None
    vocabulary_bytes: int | None = None


class Costs(NamedTuple):
    """The cost of every feature that the transform takes."""

    by_name: Mapping[str, Cost]

    def of(self, name: str) -> Cost:
        """Return the cost of a feature; unknown for one that the transform does not take."""
        return self.by_name.get(name, Cost())


def costs_of(transform_graph: Path, batch: pa.RecordBatch, schema: schema_pb2.Schema) -> Costs:
    """Measure the transform graph on some rows; times differ from run to run, bytes do not."""
    raw = TFExampleBeamRecord(physical_format="inmem", telemetry_descriptors=["mlops"], schema=schema)
    tensors = TensorAdapter(raw.TensorAdapterConfig()).ToBatchTensors(batch[:_ROWS], produce_eager_tensors=True)
    saved_model = transform_graph / tft.TFTransformOutput.TRANSFORM_FN_DIR
    return Costs({name: Cost(*found) for name, found in column_costs(saved_model, tensors).items()})
