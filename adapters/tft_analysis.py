"""Runs tf.Transform's analysis graph in this process, without a Beam pipeline.

tf.Transform describes an analysis as a graph of operations and leaves its execution to Beam; its own visitor turns every
operation into a PTransform. This visitor evaluates the same operations with the same combiners over record batches: one
pass over the data per phase, so that memory does not grow with the rows, and no runner around it. An operation that is
not known here is found before anything runs, and the analysis goes to Beam.
"""

import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow_hotfix  # noqa: F401
import numpy as np
import pyarrow as pa
import tensorflow as tf
from tensorflow_transform import analyzer_nodes, analyzers, annotators, graph_tools, impl_helper, nodes
from tensorflow_transform.beam import analysis_graph_builder, beam_nodes
from tensorflow_transform.saved import saved_transform_io_v2
from tfx_bsl.tfxio.tensor_adapter import TensorAdapter, TensorAdapterConfig

from adapters import tft_vocabulary as vocabulary

Preprocessing = Callable[[dict[str, Any]], dict[str, Any]]
Batches = Callable[[], Iterator[pa.RecordBatch]]
"""Reads the data from its beginning; called once per phase."""
METADATA = impl_helper.METADATA_DIR_NAME
"""Where, in the SavedModel of an analysis, the schema of the transformed features lies."""
_ORDERINGS = {
    analyzers._VocabOrderingType.FREQUENCY: vocabulary.add_tokens,
    analyzers._VocabOrderingType.WEIGHTED_FREQUENCY: vocabulary.add_weights,
}


class Analyzed(NamedTuple):
    """A transform graph as a SavedModel, and the files that its vocabularies were given."""

    saved_model: Path
    assets: Mapping[str, str]


class Unsupported(Exception):
    """The analysis has an operation that only Beam can run here."""


def analyze(
    preprocessing_fn: Preprocessing, batches: Batches, adapter: TensorAdapterConfig, temporary: Path
) -> Analyzed:
    """Run the analysis and return its SavedModel below a temporary folder; Unsupported when Beam is needed for it."""
    specs = TensorAdapter(adapter).OriginalTypeSpecs()
    graph, inputs, outputs = impl_helper.trace_preprocessing_function(preprocessing_fn, specs, False, str(temporary))
    assets = dict(annotators.get_asset_annotations(graph))
    annotators.clear_asset_annotations(graph)
    fingerprint = graph_tools.get_analyzers_fingerprint(graph, inputs)
    future, _, _ = analysis_graph_builder.build(graph, inputs, outputs, dataset_keys=(), cache_dict=None)
    nodes.Traverser(_Known()).visit_value_node(future)
    visitor = _Evaluate(_Analysis(preprocessing_fn, batches, adapter, specs, fingerprint, temporary))
    (saved_model,) = nodes.Traverser(visitor).visit_value_node(future).elements()
    return Analyzed(Path(saved_model), assets)


class _Analysis(NamedTuple):
    """What every operation of one analysis may need."""

    preprocessing_fn: Preprocessing
    batches: Batches
    adapter: TensorAdapterConfig
    specs: Mapping[str, tf.TypeSpec]
    fingerprint: Mapping[str, Any]
    temporary: Path


class _Collection:
    """The elements that an operation gives, computed when they are asked for first."""

    def __init__(self, compute: Callable[[], list[Any]]) -> None:
        self._compute = compute
        self._elements: list[Any] | None = None

    def elements(self) -> list[Any]:
        if self._elements is None:
            self._elements = self._compute()
        return self._elements

    def only(self) -> Any:
        (element,) = self.elements()
        return element

    def map(self, function: Callable[[Any], Any]) -> "_Collection":
        return _Collection(lambda: [function(element) for element in self.elements()])


class _Pass:
    """One pass over the data through the graph of one phase, which feeds everything that accumulates in that phase."""

    def __init__(self, analysis: _Analysis, saved_model: _Collection) -> None:
        self._analysis = analysis
        self._saved_model = saved_model
        self._consumers: list[Callable[[dict[str, Any]], None]] = []
        self._done = False

    def feed(self, consumer: Callable[[dict[str, Any]], None]) -> None:
        assert not self._done, "a phase reads the data once, after all of its analyzers are known"
        self._consumers.append(consumer)

    def run(self) -> None:
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


class _Extracted(NamedTuple):
    """Some outputs of a pass, batch by batch."""

    source: _Pass
    keys: tuple[str, ...]

    def accumulate(self, add: Callable[[tuple[Any, ...]], None], finish: Callable[[], list[Any]]) -> _Collection:
        """Feed these outputs to an accumulator, and give what it has when the pass is done."""
        self.source.feed(lambda arrays: add(tuple(arrays[key] for key in self.keys)))

        def compute() -> list[Any]:
            self.source.run()
            return finish()

        return _Collection(compute)


class _Known:
    """Visits the graph before anything runs and raises Unsupported for what `_Evaluate` cannot do."""

    def visit(self, operation: Any, inputs: Sequence[Any]) -> tuple[bool, ...]:
        ordering = getattr(operation, "vocab_ordering_type", None)
        is_known = type(operation) in _Evaluate.OPERATIONS and (ordering is None or ordering in _ORDERINGS)
        if isinstance(operation, analyzer_nodes.VocabularyPrune):
            is_known &= operation.key_fn is None
        if isinstance(operation, analyzer_nodes.VocabularyOrderAndWrite):
            is_known &= operation.file_format == "text" and len(inputs) == 1
        if not is_known:
            raise Unsupported(operation.label)
        outputs: int = operation.num_outputs
        return (True,) * outputs

    def validate_value(self, value: object) -> None:
        """Nothing to hold a value against."""


class _Evaluate:
    """Visits the graph and evaluates it; a value is a `_Collection`, a `_Pass` or something `_Extracted` from one."""

    def __init__(self, analysis: _Analysis) -> None:
        self._analysis = analysis
        self._saved_models = count()

    def visit(self, operation: Any, inputs: Sequence[Any]) -> tuple[Any, ...]:
        outputs = self.OPERATIONS[type(operation)](self, operation, inputs)
        return outputs if isinstance(outputs, tuple) and not isinstance(outputs, _Extracted) else (outputs,)

    def validate_value(self, value: object) -> None:
        """Nothing to hold a value against."""

    def _create_saved_model(self, operation: Any, bindings: Sequence[_Collection]) -> _Collection:
        signature = operation.output_signature
        is_last = not all(isinstance(value, tf.Tensor) for value in signature.values())
        names = {} if is_last else {key: value.name for key, value in signature.items()}

        def create() -> list[str]:
            replacements = dict(binding.only() for binding in bindings)
            analysis = self._analysis
            folder = str(analysis.temporary / f"saved_model-{next(self._saved_models)}")
            impl_helper.trace_and_write_v2_saved_model(
                folder,
                analysis.preprocessing_fn,
                analysis.specs,
                str(analysis.temporary),
                analysis.fingerprint,
                replacements,
                names,
                None,
            )
            return [folder]

        return _Collection(create)

    def _bind(self, operation: Any, inputs: Sequence[_Collection]) -> _Collection:
        dtype = tf.dtypes.as_dtype(operation.dtype_enum)
        return inputs[0].map(lambda value: (operation.tensor_name, tf.constant(value, dtype)))

    def _input(self, _operation: Any, _inputs: Sequence[Any]) -> _Collection:
        return _Collection(list)

    def _apply(self, _operation: Any, inputs: Sequence[Any]) -> _Pass:
        return _Pass(self._analysis, inputs[0])

    def _extract(self, operation: Any, inputs: Sequence[Any]) -> Any:
        (source,) = inputs
        keys = operation.keys
        if isinstance(source, _Pass):
            return _Extracted(source, keys)
        return source.map(
            lambda values: tuple(values[key] for key in keys) if isinstance(keys, tuple) else values[keys]
        )

    def _accumulate(self, operation: Any, inputs: Sequence[_Extracted]) -> _Collection:
        state = _Combined(operation.combiner)
        return inputs[0].accumulate(state.add, state.finish)

    def _accumulate_packed(self, operation: Any, inputs: Sequence[_Pass]) -> _Collection:
        parts = {part.label: (_Combined(part.combiner), tuple(part.keys)) for part in operation.combiners}
        keys = tuple(dict.fromkeys(key for _, keys in parts.values() for key in keys))

        def add(values: tuple[Any, ...]) -> None:
            named = dict(zip(keys, values, strict=True))
            for combined, wanted in parts.values():
                combined.add(tuple(named[key] for key in wanted))

        return _Extracted(inputs[0], keys).accumulate(
            add, lambda: [{label: combined.finish()[0] for label, (combined, _) in parts.items()}]
        )

    def _merge(self, operation: Any, inputs: Sequence[_Collection]) -> _Collection:
        return _Collection(lambda: [_merged(operation.combiner, inputs[0].elements())])

    def _merge_packed(self, operation: Any, inputs: Sequence[_Collection]) -> _Collection:
        def merge() -> list[Any]:
            pairs = inputs[0].elements()
            return [
                {
                    part.label: _merged(part.combiner, [value for key, value in pairs if key == part.keys[0]])
                    for part in operation.combiners
                }
            ]

        return _Collection(merge)

    def _outputs(self, operation: Any, inputs: Sequence[_Collection]) -> tuple[_Collection, ...]:
        return tuple(inputs[0].map(lambda values, index=index: values[index]) for index in range(operation.num_outputs))  # type: ignore[misc]

    def _add_key(self, operation: Any, inputs: Sequence[_Collection]) -> _Collection:
        return inputs[0].map(lambda value: (operation.key, value))

    def _flatten(self, _operation: Any, inputs: Sequence[_Collection]) -> _Collection:
        return _Collection(lambda: [element for collection in inputs for element in collection.elements()])

    def _count_tokens(self, operation: Any, inputs: Sequence[_Extracted]) -> _Collection:
        counts: Counter[Any] = Counter()
        return inputs[0].accumulate(
            partial(_ORDERINGS[operation.vocab_ordering_type], counts), lambda: list(counts.items())
        )

    def _merge_tokens(self, _operation: Any, inputs: Sequence[_Collection]) -> _Collection:
        return inputs[0].map(lambda pair: (pair[1], pair[0]))

    def _count_vocabulary(self, _operation: Any, inputs: Sequence[_Collection]) -> _Collection:
        return _Collection(lambda: [np.int64(max(len(inputs[0].elements()), 1))])

    def _prune(self, operation: Any, inputs: Sequence[_Collection]) -> _Collection:
        return _Collection(lambda: vocabulary.pruned(operation, inputs[0].elements()))

    def _write_vocabulary(self, operation: Any, inputs: Sequence[_Collection]) -> _Collection:
        path = os.path.join(self._analysis.temporary, operation.vocab_filename)  # noqa: PTH118 - TFT compares it with its own join

        def write() -> list[Any]:
            tokens = vocabulary.ordered(operation, inputs[0].elements())
            Path(path).write_bytes(b"".join(token + b"\n" for token in tokens))
            return [np.array(path)]

        return _Collection(write)

    OPERATIONS: Mapping[type, Callable[..., Any]] = {
        beam_nodes.CreateSavedModel: _create_saved_model,
        beam_nodes.CreateTensorBinding: _bind,
        beam_nodes.ExtractInputForSavedModel: _input,
        beam_nodes.ApplySavedModel: _apply,
        beam_nodes.ExtractFromDict: _extract,
        beam_nodes.Flatten: _flatten,
        analyzer_nodes.CacheableCombineAccumulate: _accumulate,
        analyzer_nodes.CacheableCombineMerge: _merge,
        analyzer_nodes.PackedCombineAccumulate: _accumulate_packed,
        analyzer_nodes.PackedCombineMerge: _merge_packed,
        analyzer_nodes.ExtractCombineMergeOutputs: _outputs,
        analyzer_nodes.ExtractPackedCombineMergeOutputs: _outputs,
        analyzer_nodes.AddKey: _add_key,
        analyzer_nodes.VocabularyAccumulate: _count_tokens,
        analyzer_nodes.VocabularyMerge: _merge_tokens,
        analyzer_nodes.VocabularyCount: _count_vocabulary,
        analyzer_nodes.VocabularyPrune: _prune,
        analyzer_nodes.VocabularyOrderAndWrite: _write_vocabulary,
    }


class _Combined:
    """One combiner with its accumulator."""

    def __init__(self, combiner: Any) -> None:
        self._combiner = combiner
        self._accumulator = combiner.create_accumulator()

    def add(self, values: tuple[Any, ...]) -> None:
        self._accumulator = self._combiner.add_input(self._accumulator, values)

    def finish(self) -> list[Any]:
        return [self._combiner.compact(self._accumulator)]


def _merged(combiner: Any, accumulators: list[Any]) -> Any:
    return combiner.extract_output(combiner.merge_accumulators([combiner.create_accumulator(), *accumulators]))
