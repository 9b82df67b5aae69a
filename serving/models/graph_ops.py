"""Which operations a SavedModel may run: a model is a program, and a stranger's may not reach outside of itself."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tensorflow.python.framework import op_def_registry

from serving.errors import ModelError

INIT_SIGNATURE = "__saved_model_init_op"
_INIT_COLLECTIONS = ("saved_model_main_op", "legacy_init_op")
_STATEFUL = re.compile(
    r"""
    (Stateful)?PartitionedCall | (Stateless)?(If|While|Case) | SymbolicGradient | NoOp | Assert | Placeholder\w*
    | VarHandleOp | VarIsInitializedOp | ReadVariableOp | Assign(Add|Sub)?VariableOp | ResourceGather(Nd)?
    | ResourceScatter\w+ | DestroyResourceOp | Variable(V2)? | IsVariableInitialized
    | (Anonymous)?(Mutable)?(Dense)?Hash(Table)?\w* | (Anonymous)?MutableDenseHashTable\w* | LookupTable\w+
    | InitializeTable\w*
    | RestoreV2
    | Random\w+ | TruncatedNormal | Multinomial | Parameterized\w+ | StatefulUniform\w* | StatefulStandardNormal\w*
    | StatefulTruncatedNormal | StatefulRandomBinomial | RngSkip | RngReadAndSkip | NonDeterministicInts
    | \w*CandidateSampler
    | TensorArray\w+ | Stack\w* | Timestamp
    """,
    re.VERBOSE,
)
"""Operations with a state that a model needs: variables, lookup tables, control flow, random numbers. RestoreV2 reads
the model's own variables."""
_REACHING_OUT = frozenset({"ReadFile", "MatchingFiles", "PyFuncStateless", "GenerateVocabRemapping"})
_REACHING_OUT_FAMILIES = ("Dataset", "Debug", "DecodeProto", "EncodeProto", "Reader", "TPU", "XlaCustomCall")
"""Operations without a state that read or write files, or call code that is not TensorFlow's: by name, and by parts of
names."""


def check(meta_graph: Any, path: Path) -> None:
    """Raise ModelError for operations that loading or a signature can run, and that no model needs.

    Run it before a graph is loaded: loading runs its initialization.
    """
    functions = {function.signature.name: function for function in meta_graph.graph_def.library.function}
    denied = sorted({op for op in _reachable(meta_graph, functions) if op not in functions and not _is_allowed(op)})
    if denied:
        raise ModelError(
            f"{path}: its graph holds {', '.join(denied[:10])}, which can reach outside of the model; "
            "export it without them"
        )


def _is_allowed(op: str) -> bool:
    definition = op_def_registry.get(op)
    if definition is None or definition.is_stateful:
        return _STATEFUL.fullmatch(op) is not None
    return op not in _REACHING_OUT and not any(family in op for family in _REACHING_OUT_FAMILIES)


def _reachable(meta_graph: Any, functions: dict[str, Any]) -> Iterator[str]:
    """Yield the operations that are run by loading or by a signature; a graph also holds those that save it again."""
    nodes = {node.name: node for node in meta_graph.graph_def.node}
    waiting = [_node(name) for name in _roots(meta_graph)]
    seen: set[str] = set()
    called: list[str] = []
    while waiting:
        name = waiting.pop()
        if name in seen or name not in nodes:
            continue
        seen.add(name)
        yield nodes[name].op
        called += _called(nodes[name])
        waiting += [_node(source) for source in nodes[name].input]
    entered: set[str] = set()
    while called:
        function = called.pop()
        if function in entered or function not in functions:
            continue
        entered.add(function)
        for node in functions[function].node_def:
            yield node.op
            called += _called(node)


def _roots(meta_graph: Any) -> Iterator[str]:
    yield meta_graph.saver_def.restore_op_name
    for signature in meta_graph.signature_def.values():
        for output in signature.outputs.values():
            yield output.name
            yield from (part.name for part in output.composite_tensor.components)
            coo = output.coo_sparse
            yield from (coo.values_tensor_name, coo.indices_tensor_name, coo.dense_shape_tensor_name)
    for collection in _INIT_COLLECTIONS:
        yield from (
            meta_graph.collection_def[collection].node_list.value if collection in meta_graph.collection_def else ()
        )


def _called(node: Any) -> list[str]:
    """Return the functions that a node calls: its operation, and those among its attributes."""
    attributes = node.attr.values()
    listed = [function.name for value in attributes for function in value.list.func]
    return [node.op, *(value.func.name for value in attributes if value.func.name), *listed]


def _node(tensor: str) -> str:
    return tensor.removeprefix("^").partition(":")[0]
