"""The data of one analysis: its inputs, one pass over the batches per phase, and the outputs of operations."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow_hotfix  # noqa: F401
import numpy as np
import pyarrow as pa
import tensorflow as tf
from tensorflow_transform.saved import saved_transform_io_v2
from tfx_bsl.tfxio.tensor_adapter import TensorAdapter, TensorAdapterConfig

Preprocessing = Callable[[dict[str, Any]], dict[str, Any]]
Batches = Callable[[], Iterator[pa.RecordBatch]]
"""Reads the data from its beginning; called once per phase."""


class Analysis(NamedTuple):
    """The inputs of one analysis."""

    preprocessing_fn: Preprocessing
    batches: Batches
    adapter: TensorAdapterConfig
    specs: Mapping[str, tf.TypeSpec]
    fingerprint: Mapping[str, Any]
    temporary: Path


class Collection:
    """The elements that an operation returns, computed at the first use."""

    def __init__(self, compute: Callable[[], list[Any]]) -> None:
        self._compute = compute
        self._elements: list[Any] | None = None

    def elements(self) -> list[Any]:
        """Return the elements, computed at the first call."""
        if self._elements is None:
            self._elements = self._compute()
        return self._elements

    def only(self) -> Any:
        """Return the one element."""
        (element,) = self.elements()
        return element

    def map(self, function: Callable[[Any], Any]) -> "Collection":
        """Return a collection of the function's results for each element."""
        return Collection(lambda: [function(element) for element in self.elements()])


class Pass:
    """One pass of the data through the graph of one phase, whose outputs go to all consumers of that phase."""

    def __init__(self, analysis: Analysis, saved_model: Collection) -> None:
        self._analysis = analysis
        self._saved_model = saved_model
        self._consumers: list[Callable[[dict[str, Any]], None]] = []
        self._done = False

    def feed(self, consumer: Callable[[dict[str, Any]], None]) -> None:
        """Add a consumer that is called with the outputs of every batch; only before the pass has run."""
        assert not self._done, "a phase reads the data once, after all of its consumers were added"
        self._consumers.append(consumer)

    def run(self) -> None:
        """Read the data and feed all consumers; only the first call does anything."""
        if self._done:
            return
        self._done = True
        loader = saved_transform_io_v2.SavedModelLoader(self._saved_model.only())
        loader.finalize(set(self._analysis.specs), set(loader.structured_outputs))
        adapter = TensorAdapter(self._analysis.adapter)
        for batch in self._analysis.batches():
            tensors = loader.apply_transform_model(adapter.ToBatchTensors(batch, produce_eager_tensors=True))
            arrays = {
                name: np.asarray(value) if isinstance(value, tf.Tensor) else value for name, value in tensors.items()
            }
            for consumer in self._consumers:
                consumer(arrays)


class Extracted(NamedTuple):
    """Selected outputs of a pass, batch by batch."""

    source: Pass
    keys: tuple[str, ...]

    def accumulate(self, add: Callable[[tuple[Any, ...]], None], finish: Callable[[], list[Any]]) -> Collection:
        """Call `add` with these outputs of every batch; the collection has the elements of `finish` after the pass."""
        self.source.feed(lambda arrays: add(tuple(arrays[key] for key in self.keys)))

        def compute() -> list[Any]:
            self.source.run()
            return finish()

        return Collection(compute)
