"""The data of one analysis: its inputs, one pass over the batches per phase, and the outputs of operations."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow_hotfix  # noqa: F401
import numpy as np
import pyarrow as pa
import tensorflow as tf
from tensorflow_transform import graph_context, impl_helper, tf2_utils
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


@dataclass(frozen=True)
class Graph:
    """The graph of one phase, or of the whole transform when no phase is left."""

    analysis: Analysis
    names: dict[str, str]
    """Outputs of a phase: key -> name of the tensor."""
    replacements: Callable[[], dict[str, Any]]
    """Runs the phases before, and returns their results by the name of the placeholder that each replaces."""

    def write(self) -> Path:
        """Write the graph of the whole transform as a SavedModel, and return its folder."""
        analysis = self.analysis
        folder = analysis.temporary / "saved_model"
        impl_helper.trace_and_write_v2_saved_model(
            str(folder),
            analysis.preprocessing_fn,
            analysis.specs,
            str(analysis.temporary),
            analysis.fingerprint,
            self.replacements(),
            self.names,
            None,
        )
        return folder

    def in_memory(self) -> "InMemory":
        """Trace the graph of a phase; tf.Transform writes it as a SavedModel, since Beam's workers must load it."""
        analysis = self.analysis
        context = graph_context.TFGraphContext(tf.Module(), str(analysis.temporary), self.replacements())
        traced = impl_helper.get_traced_transform_fn(analysis.preprocessing_fn, analysis.specs, context, self.names)
        function = traced.get_concrete_function()
        inputs = tf2_utils.get_structured_inputs_from_func_graph(function.graph)
        impl_helper._validate_analyzers_fingerprint(analysis.fingerprint, function.graph, inputs)
        return InMemory(context.module_to_export, function)


class InMemory(NamedTuple):
    """A traced graph, and the tables that it uses, which must live as long."""

    tables: tf.Module
    function: Any
    """A concrete function of all inputs by name."""


class Pass:
    """One pass of the data through the graph of one phase, whose outputs go to all consumers of that phase."""

    def __init__(self, analysis: Analysis, graph: Graph) -> None:
        self._analysis = analysis
        self._graph = graph
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
        graph = self._graph.in_memory()
        adapter = TensorAdapter(self._analysis.adapter)
        for batch in self._analysis.batches():
            tensors = graph.function(adapter.ToBatchTensors(batch, produce_eager_tensors=True))
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
