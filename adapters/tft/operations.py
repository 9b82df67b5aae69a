"""Evaluates the operations of tf.Transform's analysis graph on in-memory collections, with tf.Transform's combiners."""

import os
from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow_transform import analyzer_nodes, analyzers
from tensorflow_transform.beam import beam_nodes

from adapters.tft import vocabulary
from adapters.tft.passes import Analysis, Collection, Extracted, Graph, Pass

ORDERINGS = {
    analyzers._VocabOrderingType.FREQUENCY: vocabulary.Tokens,
    analyzers._VocabOrderingType.WEIGHTED_FREQUENCY: vocabulary.WeightedTokens,
}
"""The supported orderings of a vocabulary, and what counts tokens for each."""


class Evaluate:
    """Visits the graph and evaluates it; a value is a `Graph`, `Collection` or `Pass`, or `Extracted` from a pass."""

    def __init__(self, analysis: Analysis) -> None:
        self._analysis = analysis

    def visit(self, operation: Any, inputs: Sequence[Any]) -> tuple[Any, ...]:
        """Evaluate one operation on the values of its inputs."""
        outputs = self.OPERATIONS[type(operation)](self, operation, inputs)
        if isinstance(outputs, tuple) and not isinstance(outputs, Extracted):
            return outputs
        return (outputs,)

    def validate_value(self, value: object) -> None:
        """Accept every value: tf.Transform's traverser requires this method."""

    def _create_saved_model(self, operation: Any, bindings: Sequence[Collection]) -> Graph:
        signature = operation.output_signature
        is_of_phase = all(isinstance(value, tf.Tensor) for value in signature.values())
        names = {key: value.name for key, value in signature.items()} if is_of_phase else {}
        return Graph(self._analysis, names, lambda: dict(binding.only() for binding in bindings))

    def _bind(self, operation: Any, inputs: Sequence[Collection]) -> Collection:
        dtype = tf.dtypes.as_dtype(operation.dtype_enum)
        return inputs[0].map(lambda value: (operation.tensor_name, tf.constant(value, dtype)))

    def _input(self, _operation: Any, _inputs: Sequence[Any]) -> Collection:
        return Collection(list)

    def _apply(self, _operation: Any, inputs: Sequence[Graph]) -> Pass:
        return Pass(self._analysis, inputs[0])

    def _extract(self, operation: Any, inputs: Sequence[Any]) -> Any:
        (source,) = inputs
        keys = operation.keys
        if isinstance(source, Pass):
            return Extracted(source, keys)
        if isinstance(keys, tuple):
            return source.map(lambda values: tuple(values[key] for key in keys))
        return source.map(lambda values: values[keys])

    def _accumulate(self, operation: Any, inputs: Sequence[Extracted]) -> Collection:
        return inputs[0].accumulate(_Combined(operation.combiner))

    def _accumulate_packed(self, operation: Any, inputs: Sequence[Pass]) -> Collection:
        combined = _CombinedPack({part.label: (part.combiner, tuple(part.keys)) for part in operation.combiners})
        return Extracted(inputs[0], combined.keys).accumulate(combined)

    def _merge(self, operation: Any, inputs: Sequence[Collection]) -> Collection:
        return Collection(lambda: [_merged(operation.combiner, inputs[0].elements())])

    def _merge_packed(self, operation: Any, inputs: Sequence[Collection]) -> Collection:
        def merge() -> list[Any]:
            pairs = inputs[0].elements()
            outputs = {}
            for part in operation.combiners:
                accumulators = [value for key, value in pairs if key == part.keys[0]]
                outputs[part.label] = _merged(part.combiner, accumulators)
            return [outputs]

        return Collection(merge)

    def _outputs(self, operation: Any, inputs: Sequence[Collection]) -> tuple[Collection, ...]:
        return tuple(inputs[0].map(lambda values, index=index: values[index]) for index in range(operation.num_outputs))  # type: ignore[misc]

    def _add_key(self, operation: Any, inputs: Sequence[Collection]) -> Collection:
        return inputs[0].map(lambda value: (operation.key, value))

    def _flatten(self, _operation: Any, inputs: Sequence[Collection]) -> Collection:
        return Collection(lambda: [element for collection in inputs for element in collection.elements()])

    def _count_tokens(self, operation: Any, inputs: Sequence[Extracted]) -> Collection:
        return inputs[0].accumulate(ORDERINGS[operation.vocab_ordering_type]())

    def _merge_tokens(self, _operation: Any, inputs: Sequence[Collection]) -> Collection:
        return inputs[0].map(lambda pair: (pair[1], pair[0]))

    def _count_vocabulary(self, _operation: Any, inputs: Sequence[Collection]) -> Collection:
        return Collection(lambda: [np.int64(max(len(inputs[0].elements()), 1))])

    def _prune(self, operation: Any, inputs: Sequence[Collection]) -> Collection:
        return Collection(lambda: vocabulary.pruned(operation, inputs[0].elements()))

    def _write_vocabulary(self, operation: Any, inputs: Sequence[Collection]) -> Collection:
        path = os.path.join(self._analysis.temporary, operation.vocab_filename)  # noqa: PTH118 - TFT compares it with its own join

        def write() -> list[Any]:
            tokens = vocabulary.ordered(operation, inputs[0].elements())
            Path(path).write_bytes(b"".join(token + b"\n" for token in tokens))
            return [np.array(path)]

        return Collection(write)

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

    def content(self) -> Any:
        return self._combiner.compact(self._accumulator)

    def merge(self, content: Any) -> None:
        self._accumulator = self._combiner.merge_accumulators([self._accumulator, content])

    def finish(self) -> list[Any]:
        return [self.content()]


class _CombinedPack:
    """Several combiners by label, which tf.Transform has packed into one operation."""

    def __init__(self, parts: Mapping[str, tuple[Any, tuple[str, ...]]]) -> None:
        self._parts = {label: (_Combined(combiner), keys) for label, (combiner, keys) in parts.items()}
        self.keys = tuple(dict.fromkeys(chain.from_iterable(keys for _, keys in parts.values())))

    def add(self, values: tuple[Any, ...]) -> None:
        named = dict(zip(self.keys, values, strict=True))
        for combined, wanted in self._parts.values():
            combined.add(tuple(named[key] for key in wanted))

    def content(self) -> dict[str, Any]:
        return {label: combined.content() for label, (combined, _) in self._parts.items()}

    def merge(self, content: Mapping[str, Any]) -> None:
        for label, one in content.items():
            self._parts[label][0].merge(one)

    def finish(self) -> list[Any]:
        return [self.content()]


def _merged(combiner: Any, accumulators: list[Any]) -> Any:
    return combiner.extract_output(combiner.merge_accumulators([combiner.create_accumulator(), *accumulators]))
