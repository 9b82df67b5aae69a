"""What goes into a task and what comes out of a group: values looked up along the pipeline's wires."""

from collections.abc import Mapping, Sequence
from typing import Any

from localrun.errors import OutputError, ParameterError
from localrun.graph.nodes import Group, Node, task_runtime
from localrun.records import Artifact, State, Values
from localrun.spec.parameters import from_item, from_spec, read_json, select
from localrun.spec.pipeline import Constant, FinalStatus, FromInput, FromTask, Loop, ParameterSource
from localrun.spec.placeholders import fill_data

_STATUS = {State.UPSTREAM_FAILED: State.FAILED}


def inputs(node: Node, runtime: Mapping[str, str]) -> Values:
    """Return a task's inputs, defaults filled in; ParameterError for a required input without value and default."""
    declared = node.component.input_parameters
    task = node.task
    given = {
        key: _parameter(node, source, runtime)
        for key, source in task.parameters.items()
        if not isinstance(source, Constant)
    }
    known = {key: value for key, value in given.items() if value is not None}
    message = {"inputs": {"parameterValues": known, "artifacts": {}}}
    filled = task_runtime(runtime, node)
    for key, source in task.parameters.items():
        if isinstance(source, Constant) and source.value is not None:
            known[key] = fill_data(source.value, message, filled)
    for key, definition in declared.items():
        where = f"{node.path}: input {key!r}"
        if key in known:
            convert = from_item if _is_part(task.parameters[key], known[key]) else from_spec
            known[key] = convert(known[key], definition.type, where)
        elif definition.has_default:
            known[key] = definition.default
        elif not definition.optional and not (task.loop and task.loop.item == key):
            raise ParameterError(f"{node.path}: no value for the input {key!r}")
    artifacts, lists = _artifacts(node)
    return Values(known, artifacts, lists)


def _is_part(source: ParameterSource, value: Any) -> bool:
    """Whether a value may be a field or an item of something, whose type the compiler could not know."""
    return isinstance(source, FromInput) and (bool(source.fields) or isinstance(value, str))


def items(node: Node, loop: Loop, values: Values) -> tuple[Values, ...]:
    """Return the inputs of each iteration of a loop; ParameterError for no list, or an item of a wrong type."""
    if loop.of_artifacts:
        listed = values.lists.get(loop.source, ())
        return tuple(
            Values(values.parameters, {**values.artifacts, loop.item: artifact}, values.lists) for artifact in listed
        )
    found: Any = loop.constants
    if loop.source:
        found = values.parameters.get(loop.source)
        found = read_json(found, f"{node.path}: the items") if isinstance(found, str) else found
        if not isinstance(found, list):
            raise ParameterError(f"{node.path}: wanted a list of items in {loop.source!r}, got {type(found).__name__}")
    wanted = node.component.input_parameters[loop.item].type
    checked = [from_item(item, wanted, f"{node.path}: item {index}") for index, item in enumerate(found)]
    return tuple(Values({**values.parameters, loop.item: item}, values.artifacts, values.lists) for item in checked)


def outputs(group: Group) -> Values:
    """Return a group's outputs: of several producers (branches) the one that was not skipped."""
    parameters: dict[str, Any] = {}
    artifacts: dict[str, Artifact] = {}
    lists: dict[str, tuple[Artifact, ...]] = {}
    for wanted, side, found in (
        (group.dag.parameters, "parameters", parameters),
        (group.dag.artifacts, "artifacts", artifacts),
        (group.dag.artifacts, "lists", lists),
    ):
        for key, selectors in wanted.items():
            _first(group, selectors, side, key, found)
    return Values(parameters, artifacts, lists)


def _first(group: Group, selectors: Sequence[FromTask], side: str, key: str, found: dict[str, Any]) -> None:
    for chosen in selectors:
        produced = getattr(group.nodes[chosen.task].outputs, side)
        if chosen.key in produced:
            found[key] = produced[chosen.key]
            return


def collected(groups: Sequence[Group]) -> Values:
    """Return the outputs of a loop: parameters as lists (of lists, when nested), artifacts as one flat list.

    An iteration whose producer was skipped contributes nothing.
    """
    if not groups:
        return Values()
    dag = groups[0].dag
    parameters = {
        key: [group.outputs.parameters[key] for group in groups if key in group.outputs.parameters]
        for key in dag.parameters
    }
    lists = {
        key: tuple(artifact for group in groups for artifact in _listed(group.outputs, key)) for key in dag.artifacts
    }
    return Values(parameters, {}, lists)


def nothing_collected(node: Node) -> Values:
    """Return the outputs of a loop over an empty list."""
    return Values(
        {key: [] for key in node.component.output_parameters}, {}, dict.fromkeys(node.component.output_artifacts, ())
    )


def _listed(values: Values, key: str) -> tuple[Artifact, ...]:
    return values.lists[key] if key in values.lists else (values.artifacts[key],) if key in values.artifacts else ()


def _parameter(node: Node, source: ParameterSource, runtime: Mapping[str, str]) -> Any:
    if isinstance(source, FromInput):
        value = node.group.inputs.parameters.get(source.name)
        return value if value is None else select(value, source.fields, f"{node.path}: input {source.name!r}")
    if isinstance(source, FinalStatus):
        return _status(node.group.nodes[source.task], runtime)
    assert isinstance(source, FromTask)
    producer = node.group.nodes[source.task]
    if source.key in producer.outputs.parameters:
        return select(producer.outputs.parameters[source.key], source.fields, f"{producer.path}: output {source.key!r}")
    if node.task.always:
        return None
    raise OutputError(f"{node.path}: {producer.path} ended without a value for its output {source.key!r}")


def _status(ended: Node, runtime: Mapping[str, str]) -> dict[str, Any]:
    """Describe how a task ended, as kfp's executor reads it into a PipelineTaskFinalStatus."""
    failed = ended.state is not State.SUCCEEDED and ended.error
    return {
        "state": str(_STATUS.get(ended.state, ended.state)),
        "error": {"code": 9, "message": ended.error} if failed else {},
        "pipelineJobResourceName": runtime["pipeline_job_resource_name"],
        "pipelineTaskName": ended.task.name,
    }


def _artifacts(node: Node) -> tuple[dict[str, Artifact], dict[str, tuple[Artifact, ...]]]:
    found: dict[str, Artifact] = {}
    lists: dict[str, tuple[Artifact, ...]] = {}
    for key, source in node.task.artifacts.items():
        origin = node.group.inputs if isinstance(source, FromInput) else node.group.nodes[source.task].outputs
        name = source.name if isinstance(source, FromInput) else source.key
        definition = node.component.input_artifacts[key]
        if name not in origin.artifacts and name not in origin.lists:
            if not definition.optional:
                raise OutputError(f"{node.path}: no artifact for the input {key!r}")
        elif definition.is_list:
            lists[key] = _listed(origin, name)
        elif name in origin.artifacts:
            found[key] = origin.artifacts[name]
        else:
            raise OutputError(
                f"{node.path}: wanted one artifact for the input {key!r}, got a list of {len(origin.lists[name])}"
            )
    return found, lists
