"""Prints the faulty versions of a file, one JSON object a line; runs where cosmic-ray is installed (.venv-checks).

    .venv-checks/bin/python tests/mutation/planting.py FILE

A fault is one of cosmic-ray's operators at one place. Of its comparisons and calculations only the nearest are taken:
the opposite, and the one that differs at the bound. Annotations and decorators are left alone.
"""

import ast
import difflib
import json
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import parso
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator, operator_names

COMPARISONS = {
    "Eq": {"NotEq"},
    "NotEq": {"Eq"},
    "Lt": {"LtE", "GtE"},
    "LtE": {"Lt", "Gt"},
    "Gt": {"GtE", "LtE"},
    "GtE": {"Gt", "Lt"},
    "Is": {"IsNot"},
    "IsNot": {"Is"},
    "In": {"NotIn"},
    "NotIn": {"In"},
}
CALCULATIONS = {
    "Add": {"Sub"},
    "Sub": {"Add"},
    "Mul": {"Div"},
    "Div": {"Mul"},
    "FloorDiv": {"Div"},
    "Mod": {"Mul"},
    "Pow": {"Mul"},
    "BitOr": {"BitAnd"},
    "BitAnd": {"BitOr"},
}
Place = tuple[int, int]


def main() -> None:
    path = Path(sys.argv[1])
    source = path.read_text(encoding="utf-8")
    untouched = list(_untouched(ast.parse(source)))
    for name in sorted(operator_names()):
        if not _is_taken(name):
            continue
        for fault in _faults(name, source, untouched):
            print(json.dumps(fault))


def _is_taken(operator: str) -> bool:
    kind = operator.rpartition("/")[2]
    for prefix, pairs in (("ReplaceComparisonOperator_", COMPARISONS), ("ReplaceBinaryOperator_", CALCULATIONS)):
        if kind.startswith(prefix):
            before, _, after = kind.removeprefix(prefix).partition("_")
            return after in pairs.get(before, ())
    return kind != "RemoveDecorator"


def _faults(name: str, source: str, untouched: list[tuple[Place, Place]]) -> Iterator[dict[str, Any]]:
    operators = [get_operator(name)(**arguments) for arguments in _arguments(name)]
    for operator in operators:
        for at, (start, _) in enumerate(_places(operator, parso.parse(source))):
            if any(first <= start < last for first, last in untouched):
                continue
            mutated = None
            with suppress(AttributeError):  # cosmic-ray plants no exception in the place of a dotted name
                mutated = mutate_code(source.encode(), operator, at)
            if mutated is None:
                continue
            faulty = mutated.decode() if isinstance(mutated, bytes) else mutated
            if faulty != source and _is_another(name, source, faulty):
                yield {"operator": name, "line": start[0], "change": _change(source, faulty), "source": faulty}


def _is_another(operator: str, source: str, faulty: str) -> bool:
    """Whether Python reads other code; cosmic-ray takes the star of a signature for a multiplication."""
    try:
        after = ast.parse(faulty)
    except SyntaxError:
        return False
    return "_Mul_" not in operator or _products(after) != _products(ast.parse(source))


def _products(tree: ast.AST) -> int:
    return sum(isinstance(node, ast.Mult) for node in ast.walk(tree))


def _arguments(name: str) -> list[dict[str, Any]]:
    examples = getattr(get_operator(name), "arguments", tuple)
    return [] if list(examples()) else [{}]


def _places(operator: Any, node: Any) -> Iterator[tuple[Place, Place]]:
    """Yield where an operator applies, in cosmic-ray's own order."""
    yield from operator.mutation_positions(node)
    for child in getattr(node, "children", ()):
        yield from _places(operator, child)


def _untouched(tree: ast.AST) -> Iterator[tuple[Place, Place]]:
    """Yield the places of annotations and decorators."""
    for node in ast.walk(tree):
        found = [
            getattr(node, "annotation", None),
            getattr(node, "returns", None),
            *getattr(node, "decorator_list", ()),
        ]
        for one in found:
            if isinstance(one, ast.expr):
                yield (one.lineno, one.col_offset), (one.end_lineno or 0, one.end_col_offset or 0)


def _change(before: str, after: str) -> str:
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), n=0, lineterm="")
    return " -> ".join(line[1:].strip() for line in list(lines)[3:] if not line.startswith("@@"))


if __name__ == "__main__":
    main()
