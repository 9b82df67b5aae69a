"""Which operations a SavedModel may run: a model is a program, and a stranger's may not reach outside of itself."""

import re
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from tensorflow.python.framework import op_def_registry
from tensorflow.python.saved_model.loader_impl import parse_saved_model

from artifacts.model.graph_nodes import GraphNodes, Placed, Tensor
from core.errors import ModelError

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
_READS = {"InitializeTableFromTextFile": 1, "InitializeTableFromTextFileV2": 1, "RestoreV2": 0}
"""Operations that read a file when a model is loaded, and which of their inputs names it."""
_BRANCHING = re.compile(
    r"(Stateless|_)?(If|While|Case|For)|(Ref)?(Switch|Merge|Enter|Exit|NextIteration)|RefSelect|LoopCond|_SwitchN"
    r"|Variable(V2)?|TemporaryVariable|SymbolicGradient|RemoteCall"
)
_RUN_WHEN_RESTORED = frozenset({"_create_resource", "_initialize", "_destroy_resource"})
"""Names of functions that `tf.saved_model.load` calls, or Python when it lets go of a model."""
_OWN = frozenset({"asset", "resource", "variable"})
"""Kinds of objects that a function which reads a file may be given: no constants."""


def check(meta_graph: Any, path: Path) -> frozenset[str]:
    """Return the operations that loading or a signature can run; ModelError when there are some that no model needs.

    A table is filled from an asset of the model, and variables from its own, while it is loaded: from no other file,
    and by no request. Run it before a graph is loaded: loading runs its initialization.
    """
    return _check_session(meta_graph, GraphNodes(meta_graph), path)


def _check_session(meta_graph: Any, graph: GraphNodes, path: Path) -> frozenset[str]:
    loading, asked = list(graph.reachable(list(_loading(meta_graph)))), list(graph.reachable(list(_asked(meta_graph))))
    ops = _check_ops(graph, (*loading, *asked), path)
    for asset in meta_graph.asset_file_def:
        if PurePosixPath(asset.filename).is_absolute() or ".." in PurePosixPath(asset.filename).parts:
            raise ModelError(f"{path}: its asset {asset.filename!r} lies outside of the model; export it again")
    _check_files(meta_graph, graph, loading, path)
    for _, node in asked:
        if node.op in _READS:
            raise ModelError(f"{path}: {node.name} ({node.op}) reads a file for a request, which may be any file")
    return ops


def may_branch(ops: Collection[str]) -> bool:
    """Whether some operations take one way or another, or are variables that others write to through their outputs."""
    return any(_BRANCHING.fullmatch(op) for op in ops)


def check_restored(path: Path) -> None:
    """Check a SavedModel that `tf.saved_model.load` is to restore; raises as `check`, OSError for an unreadable file.

    Restoring runs functions of the model's objects, such as those that fill its tables, besides what a session runs.
    """
    for meta_graph in parse_saved_model(str(path)).meta_graphs:
        graph = GraphNodes(meta_graph)
        _check_session(meta_graph, graph, path)
        _check_objects(meta_graph, graph, path)


def _check_objects(meta_graph: Any, graph: GraphNodes, path: Path) -> None:
    """Check what runs when the model's objects are restored, which need not be what a session runs."""
    objects = meta_graph.object_graph_def
    names = [name for name in _run_by_objects(objects) if name in graph.functions]
    placed = list(graph.called(names))
    _check_ops(graph, placed, path)
    given = {Tensor(name, one.name) for name in names for one in graph.functions[name].signature.input_arg}
    _check_files(meta_graph, graph, placed, path, given)
    for name in names:
        kinds = {objects.nodes[at].WhichOneof("kind") for at in objects.concrete_functions[name].bound_inputs}
        if not kinds <= _OWN and any(one.node.op in _READS for one in graph.called([name])):
            raise ModelError(f"{path}: {name} reads a file that is given as {', '.join(sorted(kinds - _OWN))}")


def _run_by_objects(objects: Any) -> Iterator[str]:
    """Yield the functions that restoring objects runs, and the signatures that they have."""
    for node in objects.nodes:
        run = [child.node_id for child in node.children if child.local_name in _RUN_WHEN_RESTORED]
        run += [saved.restore_function for saved in node.saveable_objects.values()]
        for parts in (objects.nodes[child.node_id] for child in node.children if child.local_name == "signatures"):
            run += [signature.node_id for signature in parts.children]
        for number in run:
            yield from _functions(objects.nodes[number])


def _functions(node: Any) -> Iterator[str]:
    yield from node.function.concrete_functions
    if node.bare_concrete_function.concrete_function_name:
        yield node.bare_concrete_function.concrete_function_name


def _check_ops(graph: GraphNodes, placed: Iterable[Placed], path: Path) -> frozenset[str]:
    ops = frozenset(one.node.op for one in placed) - graph.functions.keys()
    denied = sorted(op for op in ops if not _is_allowed(op))
    if denied:
        raise ModelError(
            f"{path}: its graph holds {', '.join(denied[:10])}, which can reach outside of the model; "
            "export it without them"
        )
    return ops


def _check_files(
    meta_graph: Any, graph: GraphNodes, loading: list[Placed], path: Path, given: Collection[Tensor] = ()
) -> None:
    """Check that what loading reads are the model's own files, which the loader puts in for these tensors.

    `given` are arguments whose values are checked elsewhere.
    """
    assets = {asset.tensor_info.name for asset in meta_graph.asset_file_def}
    variables = {meta_graph.saver_def.filename_tensor_name}
    for function, node in loading:
        if node.op not in _READS:
            continue
        own, what = (variables, "its variables") if node.op == "RestoreV2" else (assets, "one of its assets")
        others = graph.origins(Tensor(function, node.input[_READS[node.op]]), own).difference(given)
        if others:
            raise ModelError(
                f"{path}: {node.name} ({node.op}) reads the file that {min(others).name} names: wanted {what}; "
                "export it with that file as an asset"
            )


def _is_allowed(op: str) -> bool:
    definition = op_def_registry.get(op)
    if definition is None or definition.is_stateful:
        return _STATEFUL.fullmatch(op) is not None
    return op not in _REACHING_OUT and not any(family in op for family in _REACHING_OUT_FAMILIES)


def _loading(meta_graph: Any) -> Iterator[str]:
    """Yield what loading runs; a graph also holds what would save it again."""
    yield meta_graph.saver_def.restore_op_name
    if INIT_SIGNATURE in meta_graph.signature_def:
        yield from (output.name for output in meta_graph.signature_def[INIT_SIGNATURE].outputs.values())
    for collection in _INIT_COLLECTIONS:
        yield from (
            meta_graph.collection_def[collection].node_list.value if collection in meta_graph.collection_def else ()
        )


def _asked(meta_graph: Any) -> Iterator[str]:
    """Yield the outputs of the signatures that requests name."""
    for name, signature in meta_graph.signature_def.items():
        for output in signature.outputs.values() if name != INIT_SIGNATURE else ():
            yield output.name
            yield from (part.name for part in output.composite_tensor.components)
            coo = output.coo_sparse
            yield from (coo.values_tensor_name, coo.indices_tensor_name, coo.dense_shape_tensor_name)
