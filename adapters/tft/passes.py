"""The data of one analysis: its inputs, one pass over the batches per phase, and the outputs of operations."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import pyarrow_hotfix  # noqa: F401
import numpy as np
import pyarrow as pa
import tensorflow as tf
from tensorflow_transform import impl_helper
from tfx_bsl.tfxio.tensor_adapter import TensorAdapter, TensorAdapterConfig

from adapters.tf_cut import READS, Cut
from adapters.tft import saved_model as tft_saved_model
from adapters.tft.trace import Preprocessing, Trace

Batches = Callable[[], Iterator[pa.RecordBatch]]
"""Reads the data from its beginning; called once per phase."""


class Accumulator(Protocol):
    """What an operation keeps of the rows; it can be pickled."""

    def add(self, values: tuple[Any, ...]) -> None:
        """Add the outputs of a batch."""

    def content(self) -> Any:
        """Return what was kept, as `merge` takes it and as it can be pickled."""

    def merge(self, content: Any) -> None:
        """Add what another accumulator has kept of other rows."""

    def finish(self) -> list[Any]:
        """Return the elements that the operation gives."""


class Consumer(NamedTuple):
    """An operation that takes some outputs of a phase."""

    keys: tuple[str, ...]
    accumulator: Accumulator


class Phase(NamedTuple):
    """One pass of the data through the graph of one phase; a worker gets it."""

    graph: Cut | None
    """Cut out of the first trace; None where it has to be traced, with the results of the phases before."""
    fingerprint: Mapping[str, Any]
    """Of the analyzers, for what is traced; empty where there is a graph."""
    temporary: str
    """Folder with the vocabularies of the phases before."""
    names: Mapping[str, str]
    """Outputs of the phase: key -> name of the tensor."""
    replacements: Mapping[str, Any]
    """Results of the phases before, by the name of the placeholder that each replaces."""
    consumers: Sequence[Consumer]

    def moved(self, folder: Path) -> "Phase":
        """Return the same with the vocabularies of the phases before in another folder."""
        found = {
            name: np.array(str(folder / Path(str(value)).name)) if self._is_vocabulary(value) else value
            for name, value in self.replacements.items()
        }
        return self._replace(temporary=str(folder), replacements=found)

    def _is_vocabulary(self, value: Any) -> bool:
        is_text = isinstance(value, np.ndarray) and value.dtype.kind == "U" and not value.shape
        return is_text and Path(str(value)).parent == Path(self.temporary)

    def traced(self, preprocessing_fn: Preprocessing, adapter: TensorAdapterConfig) -> "TracedPhase":
        """Return the function of the phase; tf.Transform writes it as a SavedModel, which takes longer to load."""
        reader = TensorAdapter(adapter)
        specs = reader.OriginalTypeSpecs()
        if self.graph is not None:
            if not self.graph.is_known:
                Trace.of(preprocessing_fn, specs, self.temporary)  # which imports what has its operations
            return TracedPhase(self.graph.function(dict.fromkeys(self.names)), None, reader)
        trace = Trace.of(preprocessing_fn, specs, self.temporary, self.replacements, self.names)
        impl_helper._validate_analyzers_fingerprint(self.fingerprint, trace.graph, trace.inputs)
        return TracedPhase(trace.function, trace, reader)


@dataclass(frozen=True)
class TracedPhase:
    """The function of a phase."""

    function: Any
    """A concrete function of all columns by name."""
    trace: Trace | None
    """What holds the tables that it uses."""
    reader: TensorAdapter

    def feed(self, batches: Iterable[pa.RecordBatch], consumers: Sequence[Consumer]) -> None:
        """Give each consumer its outputs of every batch."""
        for batch in batches:
            tensors = self.function(self.reader.ToBatchTensors(batch, produce_eager_tensors=True))
            arrays = {
                name: np.asarray(value) if isinstance(value, tf.Tensor) else value for name, value in tensors.items()
            }
            for keys, accumulator in consumers:
                accumulator.add(tuple(arrays[key] for key in keys))


RunPhase = Callable[[Phase], None]
"""Reads the data once, and adds it to the accumulators of the phase's consumers."""


def in_this_process(preprocessing_fn: Preprocessing, batches: Batches, adapter: TensorAdapterConfig) -> RunPhase:
    """Return what runs a phase over batches here, one after the other."""
    return lambda phase: phase.traced(preprocessing_fn, adapter).feed(batches(), phase.consumers)


class Analysis(NamedTuple):
    """The inputs of one analysis."""

    preprocessing_fn: Preprocessing
    run: RunPhase
    specs: Mapping[str, tf.TypeSpec]
    first: Trace
    """The trace without the result of any analyzer."""
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
        analysis, replacements = self.analysis, self.replacements()
        folder = analysis.temporary / "saved_model"
        trace = Trace.of(analysis.preprocessing_fn, analysis.specs, analysis.temporary, replacements)
        trace.compare(analysis.first)
        tft_saved_model.write(trace, folder, analysis.preprocessing_fn, analysis.temporary, replacements)
        return folder


class Pass:
    """One pass of the data through the graph of one phase, whose outputs go to all consumers of that phase."""

    def __init__(self, analysis: Analysis, graph: Graph) -> None:
        self._analysis = analysis
        self._graph = graph
        self._consumers: list[Consumer] = []
        self._done = False

    def feed(self, consumer: Consumer) -> None:
        """Add a consumer of the outputs of every batch; only before the pass has run."""
        assert not self._done, "a phase reads the data once, after all of its consumers were added"
        self._consumers.append(consumer)

    def run(self) -> None:
        """Read the data and feed all consumers; only the first call does anything."""
        if self._done:
            return
        self._done = True
        replacements = self._graph.replacements()
        cut = None if replacements else self._cut()
        first, temporary = self._analysis.first, str(self._analysis.temporary)
        fingerprint = first.fingerprint if cut is None else {}
        names, consumers = self._graph.names, tuple(self._consumers)
        self._analysis.run(Phase(cut, fingerprint, temporary, names, replacements, consumers))

    def _cut(self) -> Cut | None:
        """Cut the graph out of the trace; None where it holds what another process cannot have."""
        graph = self._analysis.first.graph
        tensors = {key: graph.get_tensor_by_name(name) for key, name in self._graph.names.items()}
        cut = Cut.of(graph, tf.nest.flatten(tensors), [one for one in graph.control_outputs if one.type not in READS])
        return cut if cut.is_portable else None


class Extracted(NamedTuple):
    """Selected outputs of a pass, batch by batch."""

    source: Pass
    keys: tuple[str, ...]

    def accumulate(self, accumulator: Accumulator) -> Collection:
        """Add these outputs of every batch; the collection has the elements that the accumulator gives at the end."""
        self.source.feed(Consumer(self.keys, accumulator))

        def compute() -> list[Any]:
            self.source.run()
            return accumulator.finish()

        return Collection(compute)
