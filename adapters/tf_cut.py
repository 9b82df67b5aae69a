"""Cuts what some tensors need out of a traced function, as a function of its own or for another process.

TensorFlow's own cut (`WrappedFunction.prune`) copies each operation in Python, which takes half as long as the trace
took. This one lets C++ import those that are left. Read from tensorflow 2.16 (`eager/wrap_function.py`,
`eager/lift_to_graph.py`, `framework/function_def_to_graph.py`, `framework/importer.py`).
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import tensorflow as tf
from tensorflow.python.eager.wrap_function import VariableHolder, WrappedFunction
from tensorflow.python.framework import op_def_registry
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
    """The structure of the inputs that are given in each call, as TensorFlow keeps it; None where others are fed."""
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
        cls,
        graph: FuncGraph,
        outputs: Sequence[tf.Tensor],
        runs: Iterable[tf.Operation] = (),
        feeds: Sequence[tf.Tensor] | None = None,
    ) -> "Cut":
        """Cut outputs, and operations that run in each call, out of a function's graph.

        `feeds` are given in each call instead of the function's inputs, each the only result of its operation.
        """
        definition = graph.as_graph_def(add_shapes=True)
        captured = {one.name for one in graph.internal_captures}
        given = [one for one in graph.inputs if one.name not in captured] if feeds is None else feeds
        names, always = tuple(one.name for one in outputs), tuple(one.name for one in runs)
        fed = {one.op.name: one for one in given}
        needed = _needed(definition, [*names, *always], fed)
        nodes = [_fed(node, fed) for node in definition.node if node.name in needed or node.name in fed]
        definition.ClearField("node")
        definition.ClearField("library")
        definition.node.extend(nodes)
        return cls(
            definition.SerializeToString(deterministic=True),
            graph.structured_input_signature if feeds is None else None,
            tuple(one.name for one in given),
            tuple(one.name for one in graph.internal_captures if one.op.name in needed),
            names,
            always,
            needed,
        )

    @property
    def is_portable(self) -> bool:
        """Whether another process can make the function of it, as it calls no other function and has no table."""
        return not self.captures and not any(map(_calls, self._definition().node))

    @property
    def is_known(self) -> bool:
        """Whether this process has all operations: some come with packages, which a worker may not have imported."""
        return all(op_def_registry.get(name) is not None for name in {node.op for node in self._definition().node})

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


def _fed(node: Any, fed: Mapping[str, tf.Tensor]) -> Any:
    """Return an operation, or what is fed instead of it."""
    if node.name not in fed or node.op == "Placeholder":
        return node
    assert len(fed[node.name].op.outputs) == 1, f"wanted the only result of {node.name}"
    placeholder = type(node)(name=node.name, op="Placeholder")
    placeholder.attr["dtype"].type = fed[node.name].dtype.as_datatype_enum
    placeholder.attr["shape"].shape.CopyFrom(fed[node.name].shape.as_proto())
    return placeholder


def _needed(definition: Any, names: Iterable[str], fed: Collection[str]) -> frozenset[str]:
    """Return the operations that tensors and operations need, and their own; nothing behind what is fed."""
    inputs = {node.name: node.input for node in definition.node}
    found: set[str] = set()
    left = [_operation(name) for name in names]
    while left:
        name = left.pop()
        if name not in found:
            found.add(name)
            left += () if name in fed else map(_operation, inputs[name])
    return frozenset(found)


def _operation(name: str) -> str:
    """Return the operation of a tensor, or of what another one waits for."""
    return name.removeprefix("^").partition(":")[0]
