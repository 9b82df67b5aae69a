"""Cuts what some tensors need out of a traced function, as a function of its own or for another process.

TensorFlow's own cut (`WrappedFunction.prune`) copies each operation in Python, which takes half as long as the trace
took. This one lets C++ import those that are left. Read from tensorflow 2.16 (`eager/wrap_function.py`,
`eager/lift_to_graph.py`, `framework/function_def_to_graph.py`, `framework/importer.py`).
"""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import tensorflow as tf
from tensorflow.python.eager.wrap_function import VariableHolder, WrappedFunction
from tensorflow.python.framework.func_graph import FuncGraph
from tensorflow.python.framework.importer import import_graph_def_for_function

READS = frozenset({"LookupTableFindV2", "LookupTableSizeV2"})
"""Operations that TensorFlow runs whoever asks, although they change nothing."""
_OF_A_PROCESS = frozenset({"EagerPyFunc", "NumpyFunc", "PyFunc", "PyFuncStateless"})
"""Operations that call Python by a number that one process knows."""


class Cut(NamedTuple):
    """A part of a function's graph; it can be pickled."""

    graph: bytes
    """A GraphDef with all inputs of the function, and what its outputs need; without the functions that it calls."""
    signature: Any
    """The structure of the inputs that are given in each call, as TensorFlow keeps it."""
    inputs: tuple[str, ...]
    """Their names, in its order."""
    captures: tuple[str, ...]
    """Names of what was captured and is needed."""
    outputs: tuple[str, ...]
    runs: tuple[str, ...]
    """Operations that run in each call, whatever the outputs need."""
    needed: frozenset[str]
    """Names of all operations that the outputs need, and the operations that run."""

    @classmethod
    def of(
        cls, graph: FuncGraph, outputs: Sequence[tf.Tensor], runs: Iterable[tf.Operation] = (), *, fed: bool = True
    ) -> "Cut":
        """Cut outputs, and operations that run in each call, out of a function's graph; `fed`: with all its inputs."""
        definition = graph.as_graph_def(add_shapes=True)
        names, always = tuple(one.name for one in outputs), tuple(one.name for one in runs)
        needed = _needed(definition, [*names, *always])
        captured = [one.name for one in graph.internal_captures]
        given = tuple(one.name for one in graph.inputs if fed and one.name not in set(captured))
        captures = tuple(name for name in captured if _operation(name) in needed)
        kept = needed | {_operation(name) for name in given}
        nodes = [node for node in definition.node if node.name in kept]
        definition.ClearField("node")
        definition.ClearField("library")
        definition.node.extend(nodes)
        signature = graph.structured_input_signature if fed else ((), {})
        return cls(definition.SerializeToString(deterministic=True), signature, given, captures, names, always, needed)

    @property
    def is_portable(self) -> bool:
        """Whether another process can make the function of it, as it calls no other function and has no table."""
        return not self.captures and not any(map(_calls, self._definition().node))

    def function(self, structure: Any, trace: FuncGraph | None = None) -> Any:
        """Return a concrete function that takes what the trace took, and returns the outputs in a structure.

        `trace` is the graph that this was cut out of, for what it captured, and for the functions that it calls.
        """
        graph = FuncGraph("cut")
        with graph.as_default():
            for function in trace._functions.values() if trace else ():
                graph._add_function(function)
            import_graph_def_for_function(self._definition(), name="")
        graph.inputs = [graph.get_tensor_by_name(name) for name in self.inputs]
        for outer, inner in trace.captures if trace else ():
            if inner.name in self.captures:
                graph.add_capture(outer, graph.get_tensor_by_name(inner.name))
        graph.outputs = [graph.get_tensor_by_name(name) for name in self.outputs]
        graph.control_outputs = [graph.get_operation_by_name(name) for name in self.runs]
        graph.structured_outputs = tf.nest.pack_sequence_as(structure, graph.outputs, expand_composites=True)
        graph.structured_input_signature = self.signature
        function = WrappedFunction(graph, variable_holder=VariableHolder(share_variables=True))
        function._num_positional_args = len(self.inputs)
        function._arg_keywords = list(map(_operation, self.inputs))
        return function

    def _definition(self) -> Any:
        return tf.compat.v1.GraphDef.FromString(self.graph)


def _calls(node: Any) -> bool:
    """Whether an operation calls a function of TensorFlow or of Python."""
    return node.op in _OF_A_PROCESS or any(one.HasField("func") or one.list.func for one in node.attr.values())


def _needed(definition: Any, names: Iterable[str]) -> frozenset[str]:
    """Return the operations that tensors and operations need, and their own."""
    inputs = {node.name: node.input for node in definition.node}
    found: set[str] = set()
    left = [_operation(name) for name in names]
    while left:
        name = left.pop()
        if name not in found:
            found.add(name)
            left += map(_operation, inputs[name])
    return frozenset(found)


def _operation(name: str) -> str:
    """Return the operation of a tensor, or of what another one waits for."""
    return name.removeprefix("^").partition(":")[0]
