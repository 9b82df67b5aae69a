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
from typing import Any, NamedTuple

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


def analyze(preprocessing_fn: Preprocessing, run: RunPhase, adapter: TensorAdapterConfig, temporary: Path) -> Analyzed:
    """Run the analysis and return its SavedModel below the folder `temporary`; Unsupported when it needs Beam.

    `run` reads the data of a phase: `passes.in_this_process`, or on workers that see `temporary`.
    """
    specs = TensorAdapter(adapter).OriginalTypeSpecs()
    trace = Trace.of(preprocessing_fn, specs, temporary)
    assets = dict(annotators.get_asset_annotations(trace.graph))
    annotators.clear_asset_annotations(trace.graph)
    outputs = trace.function.structured_outputs
    future, _, _ = analysis_graph_builder.build(trace.graph, trace.inputs, outputs, dataset_keys=(), cache_dict=None)
    nodes.Traverser(_Known()).visit_value_node(future)
    visitor = Evaluate(Analysis(preprocessing_fn, run, specs, trace, temporary))
    graph = nodes.Traverser(visitor).visit_value_node(future)
    return Analyzed(graph.write(), assets)


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
