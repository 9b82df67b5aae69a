"""Runs tf.Transform's analysis graph with our own passes over the data, without its Beam pipeline.

tf.Transform describes an analysis as a graph of operations that Beam executes; its visitor turns every operation into
a PTransform. This visitor evaluates the same operations with the same combiners over record batches: one pass over the
data per phase, in this process or on workers, so that memory does not grow with the rows. An operation that it does not
know is found before anything runs, and the analysis falls back to Beam.

Read from tensorflow_transform 1.16.0 (`beam/impl.py`, `beam/analyzer_impls.py`, `beam/beam_nodes.py`,
`analyzer_nodes.py`, `impl_helper.py`, `graph_tools.py`), whose private parts this uses.
docs/adr/2026-11-28-ports-of-private-library-code.md says what to do when a new version breaks it;
tests/unit/adapters/test_tft_snippets.py checks that the results equal Beam's.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self

from tensorflow_transform import analyzer_nodes, annotators, nodes
from tensorflow_transform.beam import analysis_graph_builder
from tfx_bsl.tfxio.tensor_adapter import TensorAdapter, TensorAdapterConfig

from adapters.tft.operations import ORDERINGS, Evaluate
from adapters.tft.passes import Analysis, RunPhase
from adapters.tft.trace import Preprocessing, Trace

READ_FROM = "1.16.0"
"""The version of tensorflow_transform that this was read from."""


class Analyzed(NamedTuple):
    """A transform graph as a SavedModel, and the names of its vocabularies' files by asset key."""

    saved_model: Path
    assets: Mapping[str, str]


class Unsupported(Exception):
    """The analysis has an operation that only Beam can run here."""


class Plan(NamedTuple):
    """An analysis that has read nothing yet: what it needs of the data is known from the trace alone."""

    preprocessing_fn: Preprocessing
    specs: Mapping[str, Any]
    trace: Trace
    temporary: Path
    """A folder that the analysis writes to, which must stay until then."""
    assets: Mapping[str, str]
    future: Any
    """tf.Transform's graph of operations."""

    @classmethod
    def of(cls, preprocessing_fn: Preprocessing, adapter: TensorAdapterConfig, temporary: Path) -> Self:
        """Trace the function; Unsupported when the analysis needs Beam."""
        specs = TensorAdapter(adapter).OriginalTypeSpecs()
        trace = Trace.of(preprocessing_fn, specs, temporary)
        assets = dict(annotators.get_asset_annotations(trace.graph))
        annotators.clear_asset_annotations(trace.graph)
        outputs = trace.function.structured_outputs
        built = analysis_graph_builder.build(trace.graph, trace.inputs, outputs, dataset_keys=(), cache_dict=None)
        nodes.Traverser(_Known()).visit_value_node(built[0])
        return cls(preprocessing_fn, specs, trace, temporary, assets, built[0])

    def analyze(self, run: RunPhase) -> Analyzed:
        """Run it; `run` reads the data of a phase: `passes.in_this_process`, or workers that see `temporary`."""
        visitor = Evaluate(Analysis(self.preprocessing_fn, run, self.specs, self.trace, self.temporary))
        graph = nodes.Traverser(visitor).visit_value_node(self.future)
        return Analyzed(graph.write(), self.assets)


def analyze(preprocessing_fn: Preprocessing, run: RunPhase, adapter: TensorAdapterConfig, temporary: Path) -> Analyzed:
    """Run an analysis and return its SavedModel below the folder `temporary`; Unsupported when it needs Beam."""
    return Plan.of(preprocessing_fn, adapter, temporary).analyze(run)


class _Known:
    """Visits the graph before anything runs and raises Unsupported for what `Evaluate` cannot do."""

    def visit(self, operation: Any, inputs: Sequence[Any]) -> tuple[bool, ...]:
        ordering = getattr(operation, "vocab_ordering_type", None)
        is_known = type(operation) in Evaluate.OPERATIONS and (ordering is None or ordering in ORDERINGS)
        if isinstance(operation, analyzer_nodes.VocabularyPrune):
            is_known &= operation.key_fn is None
        if isinstance(operation, analyzer_nodes.VocabularyOrderAndWrite):
            is_known &= operation.file_format == "text" and len(inputs) == 1
        if not is_known:
            raise Unsupported(operation.label)
        outputs: int = operation.num_outputs
        return (True,) * outputs

    def validate_value(self, value: object) -> None:
        """Accept every value: tf.Transform's traverser requires this method."""
