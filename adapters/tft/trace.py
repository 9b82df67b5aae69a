"""Traces a `preprocessing_fn`, with all that belongs to the trace.

Read from tensorflow_transform 1.16.0 (`impl_helper.py`, `saved/saved_transform_io_v2.py`), which traces it again for
whatever else it wants to know of the same graph.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import tensorflow as tf
from tensorflow.python.trackable.resource import ResourceTracker, resource_tracker_scope
from tensorflow_transform import (
    analyzer_nodes,
    annotators,
    graph_context,
    graph_tools,
    impl_helper,
    nodes,
    tf2_utils,
)

from adapters.tf_cut import Cut

Preprocessing = Callable[[dict[str, Any]], dict[str, Any]]


@dataclass(frozen=True)
class Trace:
    """A traced function of all inputs by name, and what it uses, which must live as long."""

    function: Any
    """A concrete function."""
    features: Mapping[str, Any]
    """The tensors that the `preprocessing_fn` returned; the function returns copies."""
    module: tf.Module
    """What was made and tracked by a name."""
    tracked: Any
    """What was made and tracked without one."""
    resources: list[Any]
    """Tables."""
    variables: list[tf.Variable]

    @property
    def graph(self) -> Any:
        """The graph of the function."""
        return self.function.graph

    @property
    def inputs(self) -> Mapping[str, Any]:
        """Its tensors of raw features."""
        inputs: Mapping[str, Any] = tf2_utils.get_structured_inputs_from_func_graph(self.graph)
        return inputs

    @cached_property
    def fingerprint(self) -> Mapping[str, Any]:
        """Which columns each analyzer takes, and by which operations, as tf.Transform compares it."""
        found: Mapping[str, Any] = graph_tools.get_analyzers_fingerprint(self.graph, self.inputs)
        return found

    def compare(self, first: "Trace") -> None:
        """Raise RuntimeError, as tf.Transform does, where the first trace's analyzers took other columns."""
        if self._analyzers() != first._analyzers():
            impl_helper._validate_analyzers_fingerprint(first.fingerprint, self.graph, self.inputs)

    def _analyzers(self) -> tuple[Any, ...]:
        """Return what each analyzer takes, and all operations that make it: more than what is compared."""
        visitors = {}
        for sink in self.graph.get_collection(analyzer_nodes.ALL_REPLACEMENTS):
            visitors[sink.tensor.name] = graph_tools.SourcedTensorsVisitor()
            nodes.Traverser(visitors[sink.tensor.name]).visit_value_node(sink.future)
        taken = {name: [one.name for one in visitor.sourced_tensors] for name, visitor in visitors.items()}
        tensors = [one for visitor in visitors.values() for one in visitor.sourced_tensors]
        return taken, Cut.of(self.graph, tensors).graph

    @classmethod
    def of(
        cls,
        preprocessing_fn: Preprocessing,
        specs: Mapping[str, tf.TypeSpec],
        temporary: Path | str,
        replacements: Mapping[str, Any] | None = None,
        names: Mapping[str, str] | None = None,
    ) -> "Trace":
        """Trace the function; what it raises passes through.

        `replacements` are results of analyzers by the name of the placeholder that each replaces, `names` those of the
        tensors that the function shall return instead, by key, as long as not all analyzers are replaced.
        """
        module, resources, tracker = tf.Module(), ResourceTracker(), annotators.ObjectTracker()
        variables: list[tf.Variable] = []
        returned: list[dict[str, Any]] = []

        def remembered(inputs: dict[str, Any]) -> dict[str, Any]:
            returned.append(preprocessing_fn(inputs))
            return returned[-1]

        def create(create_next: Callable[..., tf.Variable], **arguments: Any) -> tf.Variable:
            variables.append(create_next(**arguments))
            return variables[-1]

        given = None if replacements is None else dict(replacements)
        context = graph_context.TFGraphContext(module, str(temporary), given)
        traced = impl_helper.get_traced_transform_fn(remembered, specs, context, None if names is None else dict(names))
        with (
            resource_tracker_scope(resources),
            annotators.object_tracker_scope(tracker),
            tf.variable_creator_scope(create),
        ):
            function = traced.get_concrete_function()
        # One that makes variables is traced twice, and the second trace counts.
        return cls(function, returned[-1], module, tracker.trackable_objects, resources.resources, variables)
