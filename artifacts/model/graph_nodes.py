"""The nodes of a SavedModel's graph and of its functions, and where a tensor comes from."""

from collections.abc import Collection, Iterator
from typing import Any, NamedTuple

_PASSING = frozenset({"Identity", "IdentityN", "StopGradient", "PlaceholderWithDefault"})
"""Operations whose output is their input."""
_CALLS = frozenset({"PartitionedCall", "StatefulPartitionedCall"})
_BRANCHES = frozenset({"If", "StatelessIf", "Case", "StatelessCase"})
"""Calls whose first input chooses the function; the others are its arguments."""
_WRITERS = ("Assign", "ResourceScatter")
"""How operations that write a variable are called; the first input is its handle."""
_STRING = 7
"""DT_STRING."""


class Tensor(NamedTuple):
    """A tensor by its name in the graph, or in one of its functions."""

    function: str
    """"" for the graph."""
    name: str


class Placed(NamedTuple):
    """A node, and the function that it belongs to; "" for the graph."""

    function: str
    node: Any


class GraphNodes:
    """The nodes of a MetaGraphDef."""

    def __init__(self, meta_graph: Any) -> None:
        self.functions = {one.signature.name: one for one in meta_graph.graph_def.library.function}
        self._nodes = {"": {node.name: node for node in meta_graph.graph_def.node}}
        self._nodes |= {name: {node.name: node for node in one.node_def} for name, one in self.functions.items()}
        self._callers: dict[str, list[Placed]] = {}
        for function, nodes in self._nodes.items():
            for node in nodes.values():
                for called in _called(node):
                    self._callers.setdefault(called, []).append(Placed(function, node))

    def reachable(self, roots: Collection[str]) -> Iterator[Placed]:
        """Yield the nodes that are run for some nodes or tensors of the graph, and those of the functions they call."""
        waiting = [node_of(name) for name in roots]
        seen: set[str] = set()
        called: list[str] = []
        while waiting:
            name = waiting.pop()
            if name in seen or name not in self._nodes[""]:
                continue
            seen.add(name)
            node = self._nodes[""][name]
            yield Placed("", node)
            called += _called(node)
            waiting += [node_of(source) for source in node.input]
        yield from self.called(called)

    def called(self, functions: Collection[str]) -> Iterator[Placed]:
        """Yield the nodes of some functions, and of those that they call."""
        called = list(functions)
        entered: set[str] = set()
        while called:
            function = called.pop()
            if function in entered or function not in self.functions:
                continue
            entered.add(function)
            for node in self._nodes[function].values():
                yield Placed(function, node)
                called += _called(node)

    def origins(self, tensor: Tensor, known: Collection[str]) -> set[Tensor]:
        """Return where a tensor comes from, through functions and what passes its input on, besides from `known`.

        `known` are tensors of the graph as signatures write them, such as `Const:0`.
        """
        found: set[Tensor] = set()
        waiting, seen = [tensor], set()
        while waiting:
            one = waiting.pop()
            if one in seen:
                continue
            seen.add(one)
            if not one.function and _named(one.name) in known:
                continue
            before = self._before(one)
            if before is None:
                found.add(one)
            else:
                waiting += before
        return found

    def _before(self, tensor: Tensor) -> list[Tensor] | None:
        """Return the tensors of which this one is always one; None where that is not known."""
        function, name = tensor
        arguments = [one.name for one in self.functions[function].signature.input_arg] if function else []
        if name in arguments:
            return self._given(function, arguments.index(name))
        node = self._nodes[function].get(node_of(name))
        if node is None:
            return None
        at = _output(name)
        if node.op == "ReadVariableOp":
            return self._written(Tensor(function, node.input[0]))
        if node.op in _PASSING and at < len(node.input):
            return [Tensor(function, node.input[at])]
        if node.op in _CALLS | _BRANCHES:
            return self._returned(_called(node)[1:], at)
        return None

    def _given(self, function: str, at: int) -> list[Tensor] | None:
        """Return what callers give for an argument of a function."""
        given = []
        for caller, node in self._callers.get(function, []):
            if node.op not in _CALLS | _BRANCHES:
                return None
            inputs = [name for name in node.input if not name.startswith("^")][node.op in _BRANCHES :]
            if at >= len(inputs):
                return None
            given.append(Tensor(caller, inputs[at]))
        return given or None

    def _written(self, handle: Tensor) -> list[Tensor] | None:
        """Return what is ever written to a variable of texts, such as the path of an asset."""
        variables = self._variables(handle)
        if len(variables) != 1 or None in variables:
            return None
        written = []
        for function, nodes in self._nodes.items():
            for node in (one for one in nodes.values() if one.op.startswith(_WRITERS)):
                if node.attr["dtype"].type != _STRING:
                    continue
                targets = self._variables(Tensor(function, node.input[0]))
                if targets == variables and node.op == "AssignVariableOp":
                    written.append(Tensor(function, node.input[1]))
                elif None in targets or targets & variables:
                    return None
        return written or None

    def _variables(self, handle: Tensor) -> set[str | None]:
        """Return the names of the variables that a handle can be of; None among them for one that is not known."""
        found: set[str | None] = set()
        for function, name in self.origins(handle, ()):
            node = self._nodes[function].get(node_of(name))
            is_handle = node is not None and node.op == "VarHandleOp"
            found.add((node.attr["shared_name"].s.decode() or node.name) if node is not None and is_handle else None)
        return found

    def _returned(self, functions: list[str], at: int) -> list[Tensor] | None:
        """Return what each of some functions returns at a place."""
        returned = []
        for name in functions:
            outputs = list(self.functions[name].signature.output_arg) if name in self.functions else []
            if at >= len(outputs):
                return None
            returned.append(Tensor(name, self.functions[name].ret[outputs[at].name]))
        return returned or None


def node_of(tensor: str) -> str:
    """Return the name of the node that a tensor, or a dependency on a node, belongs to."""
    return tensor.removeprefix("^").partition(":")[0]


def _named(tensor: str) -> str:
    """Return a tensor's name with its number, as signatures write it."""
    return tensor if ":" in tensor else f"{tensor}:0"


def _output(tensor: str) -> int:
    """Return which output a tensor is: `name`, `name:1` in a graph and `name:output:1` in a function."""
    number = tensor.rpartition(":")[2]
    return int(number) if number.isdecimal() and ":" in tensor else 0


def _called(node: Any) -> list[str]:
    """Return the functions that a node calls: its operation, and those among its attributes."""
    attributes = node.attr.values()
    listed = [function.name for value in attributes for function in value.list.func]
    return [node.op, *(value.func.name for value in attributes if value.func.name), *listed]
