"""Measures what each raw column costs in a transform graph: the time of its operations, and its vocabularies' bytes.

An operation belongs to the columns from which data reaches it, in equal parts, so that the costs add up to the whole.
Read from tensorflow_transform 1.16.0 (`saved/saved_transform_io_v2.py`) and TensorFlow 2.16: the names of a graph's
operations are those of the traced steps once nothing rewrites the graph.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from tensorflow_transform.saved import saved_transform_io_v2

_RUNS = 5
"""Traced runs; the median of an operation's times counts."""


_NONE: frozenset[str] = frozenset()


class ColumnCost(NamedTuple):
    """The cost of one raw column."""

    nanoseconds: float
    """Per row."""
    vocabulary_bytes: int
    """Of the files that its values are looked up in."""


def column_costs(saved_model: Path, tensors: Mapping[str, Any]) -> dict[str, ColumnCost]:
    """Return the cost of each raw column; `tensors` are some rows of all columns, as the transform takes them."""
    loader = saved_transform_io_v2.SavedModelLoader(str(saved_model))
    inputs: Mapping[str, Any] = loader._structured_inputs
    columns = _columns_of_operations(loader._wrapped_function.graph, inputs)
    rows = max(1, *(_rows(tensors[name]) for name in inputs))
    times: dict[str, float] = defaultdict(float)
    for operation, nanoseconds in _times(saved_model, inputs, tensors).items():
        owners = columns.get(operation, _NONE)
        for name in owners:
            times[name] += nanoseconds / len(owners) / rows
    sizes: dict[str, int] = defaultdict(int)
    for operation, size in _vocabularies(loader).items():
        for name in columns.get(operation, ()):
            sizes[name] += size
    return {name: ColumnCost(times[name], sizes[name]) for name in inputs}


def _rows(tensor: Any) -> int:
    return int(tensor.dense_shape[0] if isinstance(tensor, tf.SparseTensor) else tensor.shape[0])


def _columns_of_operations(graph: Any, inputs: Mapping[str, Any]) -> dict[str, frozenset[str]]:
    """Return the columns that reach each operation, by its name."""
    found: dict[str, frozenset[str]] = {}
    for name, value in inputs.items():
        for part in tf.nest.flatten(value, expand_composites=True):
            found[part.op.name] = frozenset({name})
    waiting = [operation for operation in graph.get_operations() if operation.name not in found]
    changed = True
    while changed:  # a loop in the graph makes a second round necessary
        changed = False
        for operation in waiting:
            reached = _NONE.union(*(found.get(one.op.name, _NONE) for one in operation.inputs))
            changed |= reached != found.get(operation.name, _NONE)
            found[operation.name] = reached
    return found


def _times(saved_model: Path, inputs: Mapping[str, Any], tensors: Mapping[str, Any]) -> dict[str, float]:
    """Return the nanoseconds of each operation for all rows, on one thread."""
    config = tf.compat.v1.ConfigProto(inter_op_parallelism_threads=1, intra_op_parallelism_threads=1)
    config.graph_options.rewrite_options.disable_meta_optimizer = True
    options = tf.compat.v1.RunOptions(trace_level=tf.compat.v1.RunOptions.FULL_TRACE)
    graph = tf.Graph()
    measured: dict[str, list[float]] = defaultdict(list)
    with graph.as_default(), tf.compat.v1.Session(graph=graph, config=config) as session:
        loaded = tf.compat.v1.saved_model.loader.load(session, ["serve"], str(saved_model))
        signature = loaded.signature_def["serving_default"]
        by_key = {
            part.op.name: tf.nest.flatten(tensors[name], expand_composites=True)[index]
            for name, value in inputs.items()
            for index, part in enumerate(tf.nest.flatten(value, expand_composites=True))
        }
        feeds = {info.name: np.asarray(by_key[key]) for key, info in signature.inputs.items()}
        fetches = [info.name for key, info in signature.outputs.items()]
        session.run(fetches, feeds)
        for _ in range(_RUNS):
            metadata = tf.compat.v1.RunMetadata()
            session.run(fetches, feeds, options=options, run_metadata=metadata)
            for name, nanoseconds in _steps(metadata):
                measured[name].append(nanoseconds)
    return {name: float(median(values)) for name, values in measured.items()}


def _steps(metadata: Any) -> Iterator[tuple[str, float]]:
    for device in metadata.step_stats.dev_stats:
        for step in device.node_stats:
            yield step.node_name, float(step.op_end_rel_nanos - step.op_start_rel_nanos)


def _vocabularies(loader: Any) -> dict[str, int]:
    """Return the bytes of the file that each lookup reads, by the lookup's name."""
    sizes = {}
    for table in loader._imported.resources:
        asset = getattr(getattr(table, "_initializer", None), "_filename", None)
        if asset is not None and hasattr(table, "resource_handle"):
            sizes[id(table.resource_handle)] = Path(asset.asset_path.numpy().decode()).stat().st_size
    handles = {
        inner.op.name: sizes[id(outer)]
        for outer, inner in loader._wrapped_function.graph.captures
        if id(outer) in sizes
    }
    return {
        operation.name: sum(handles.get(one.op.name, 0) for one in operation.inputs)
        for operation in loader._wrapped_function.graph.get_operations()
        if operation.type.startswith("LookupTableFind")
    }
