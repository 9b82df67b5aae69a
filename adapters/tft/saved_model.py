"""Writes the graph of a whole transform as a SavedModel, with the schema of what it returns.

tf.Transform traces the `preprocessing_fn` once more for the schema, copies each operation of the graph in Python, and
writes most tables twice. Read from tensorflow_transform 1.16.0 (`impl_helper.py`, `schema_inference.py`,
`saved/saved_transform_io_v2.py`) and tensorflow 2.16 (`ops/lookup_ops.py`, `saved_model/signature_serialization.py`).
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf
from tensorflow_transform import impl_helper, schema_inference
from tensorflow_transform.saved import saved_transform_io_v2
from tensorflow_transform.tf_metadata import dataset_metadata, metadata_io

from adapters import tf_save
from adapters.tf_cut import Cut
from adapters.tft.trace import Preprocessing, Trace

METADATA = impl_helper.METADATA_DIR_NAME
"""Folder, in the SavedModel of an analysis, with the schema of the transformed features."""


def write(
    trace: Trace, folder: Path, preprocessing_fn: Preprocessing, temporary: Path, replacements: Mapping[str, Any]
) -> None:
    """Write a trace with the results of all analyzers; the other arguments are those that it was made of."""
    module = trace.module
    module.transform_fn = _cut(trace)
    module.created_variables = trace.variables
    module.trackable_objects = trace.tracked
    module.resources = _once(trace.resources)
    paths = trace.graph.get_collection(tf.compat.v1.GraphKeys.ASSET_FILEPATHS)
    module.assets = [tf.saved_model.Asset(path) for path in paths]
    tf_save.save(module, folder)
    metadata = _metadata(trace)
    if metadata is None:
        metadata = impl_helper._trace_and_get_metadata(
            trace.function, trace.inputs, preprocessing_fn, str(temporary), dict(replacements)
        )
    metadata_io.write_metadata(metadata, str(folder / METADATA))


def _cut(trace: Trace) -> Any:
    """Return the function without what only analyzers need."""
    function, graph = trace.function, trace.graph
    if graph.variables or graph.deferred_internal_captures:
        return saved_transform_io_v2.optimize_concrete_function(function, strip_control_dependencies=False)
    cut = Cut.of(graph, graph.outputs).function(function.structured_outputs, graph)
    for before, after in zip(graph.outputs, cut.outputs, strict=True):
        after.set_shape(before.shape)
    return cut


def _once(resources: Sequence[Any]) -> list[Any]:
    """Return resources without those that stand around another one, as a table with buckets for other words does."""
    known = set(map(id, resources))
    owners = [getattr(one.resource_handle, "_parent_trackable", lambda: None)() for one in resources]
    return [one for one, owner in zip(resources, owners, strict=True) if owner is one or id(owner) not in known]


def _metadata(trace: Trace) -> Any:
    """Return the schema of what the trace returns; None where values noted for it depend on rows."""
    graph = trace.graph
    with graph.as_default():
        noted = _noted(graph, trace.features)
    tensors = [one for one in tf.nest.flatten(noted) if isinstance(one, tf.Tensor) and not hasattr(one, "numpy")]
    cut = Cut.of(graph, tensors, feeds=())
    if cut.needed & {part.op.name for part in tf.nest.flatten(trace.inputs, expand_composites=True)}:
        return None
    values = iter(cut.function(tensors, graph)() if tensors else ())
    known = {one.ref(): value for one, value in zip(tensors, values, strict=True)}

    def evaluated(one: Any) -> Any:
        return known.get(one.ref(), one) if isinstance(one, tf.Tensor) else tf.constant(one)

    found = tf.nest.map_structure(evaluated, noted)
    schema = schema_inference.infer_feature_schema_v2(
        trace.function.structured_outputs, lambda: found, evaluate_schema_overrides=True
    )
    return dataset_metadata.DatasetMetadata(schema)


def _noted(graph: Any, features: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Return what `preprocessing_fn` has noted about its outputs, by name of the collection: names and tensors."""
    noted = schema_inference
    names = noted._get_tensor_value_to_key_map(features)
    found: dict[str, list[Any]] = defaultdict(list)
    bounds = [noted._TF_METADATA_TENSOR_MIN_COLLECTION, noted._TF_METADATA_TENSOR_MAX_COLLECTION]
    found |= noted._get_schema_overrides(graph, names, noted._TF_METADATA_TENSOR_COLLECTION, bounds)
    proto = [noted._TF_METADATA_EXTRA_ANNOTATION_TYPE_URL, noted._TF_METADATA_EXTRA_ANNOTATION_PROTO]
    all_rows = noted._TF_METADATA_EXTRA_ANNOTATION_GLOBAL
    found |= noted._get_schema_overrides(graph, names, noted._TF_METADATA_EXTRA_ANNOTATION, proto, all_rows)
    found[noted._METADATA_SPARSE_OUTPUT_OVERRIDES_FIELD] = [noted._get_sparse_output_annotations_v2(graph, names)]
    return found
