"""The rules of the house that a machine can check; `lint-imports` holds the rooms apart, this holds their shape."""

import ast
import graphlib
import json
import os
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
ROOMS = PROJECT["tool"]["importlinter"]["root_packages"]
MEMBERS = {"localrun": "localrun/src"}
"""Rooms that are packages of their own, and the folder that holds their code."""
FOLDERS = [ROOT / MEMBERS.get(room, "") / room for room in ROOMS]
FILES = sorted(path for folder in FOLDERS for path in folder.rglob("*.py"))
STAGES = sorted(path.parent for path in (ROOT / "components").glob("*/component.py"))
NESTING = (ast.If, ast.For, ast.While, ast.With, ast.Try, ast.Match)


NAMELESS = {"base", "common", "helper", "helpers", "misc", "util", "utils"}
"""Names of files that say nothing: where one of them wants to be written, there is a noun to find."""
FLAT = 20
"""Most files that a folder holds before it needs inner rooms."""


def _id(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def _depth(node: ast.AST, level: int = 0) -> int:
    inner = [
        child
        for child in ast.iter_child_nodes(node)
        if isinstance(child, ast.stmt | ast.excepthandler | ast.match_case)  # no expression has a statement in it
        and not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    ]
    below = []
    for child in inner:
        is_elif = isinstance(node, ast.If) and isinstance(child, ast.If) and child in node.orelse
        below.append(_depth(child, level + (isinstance(child, NESTING) and not is_elif)))
    return max([level, *below])


def test_files_and_functions_stay_small() -> None:
    assert [breach for path in FILES for breach in _too_large(path)] == []


def _too_large(path: Path) -> Iterator[str]:
    """Yield what is longer, deeper or has more parameters than is allowed, with its place."""
    text = path.read_text(encoding="utf-8")
    if text.count("\n") > 300:
        yield f"{_id(path)}: over 300 lines; find the second noun in it"
    is_interface = path.name == "component.py" or {ROOT / "mlops" / "cli", ROOT / "pipelines"} & {*path.parents}
    for function in _functions(ast.parse(text)):
        where = f"{_id(path)}:{function.lineno} {function.name}"
        lines = (function.end_lineno or function.lineno) - function.lineno + 1
        arguments = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
        counted = [argument for argument in arguments if argument.arg not in ("self", "cls")]
        if lines > 50:
            yield f"{where}: {lines} lines, over 50"
        if (depth := _depth(function)) > 3:
            yield f"{where}: nested {depth} deep, over 3"
        if len(counted) > (10 if is_interface else 5):
            yield f"{where}: {len(counted)} parameters"


def test_every_list_of_rooms_names_every_room() -> None:
    """A room that one list forgets is not checked, not measured or not shipped."""
    tools = PROJECT["tool"]
    assert set(MEMBERS.values()) == {f"{member}/src" for member in tools["uv"]["workspace"]["members"]}
    inside = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests"}
    assert set(ROOMS) == inside | set(MEMBERS)
    assert set(tools["mypy"]["files"]) == inside | set(MEMBERS.values())
    assert set(ROOMS) == set(tools["ruff"]["lint"]["isort"]["known-first-party"])
    assert inside - {"benchmarks"} == set(tools["hatch"]["build"]["targets"]["wheel"]["packages"])
    members = {f"{sources}/{member}" for member, sources in MEMBERS.items()}
    assert (inside - {"benchmarks"}) | members == set(tools["coverage"]["run"]["source"])


def test_every_room_says_in_one_sentence_what_it_is() -> None:
    sentences = {}
    for path in (path for path in FILES if path.name == "__init__.py"):
        sentence = (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").partition("\n")[0]
        assert sentence.endswith((".", "?")), f"{_id(path)}: wanted a sentence, got {sentence!r}"
        assert sentence not in sentences, f"{_id(path)} says the same as {sentences[sentence]}"
        sentences[sentence] = _id(path)


def test_every_file_is_a_noun_and_no_folder_is_flat() -> None:
    assert not [_id(path) for path in FILES if path.stem in NAMELESS]
    folders = Counter(path.parent for path in FILES if path.name != "__init__.py")
    assert not {_id(folder): count for folder, count in folders.items() if count > FLAT}


def test_tests_stand_in_the_order_of_the_rooms() -> None:
    known = {path.parent.name for room in ("", "core/", "mlops/") for path in ROOT.glob(f"{room}*/__init__.py")}
    assert {folder.name for folder in (ROOT / "tests" / "unit").iterdir() if any(folder.glob("test_*.py"))} <= known
    assert {folder.name for folder in (ROOT / "tests" / "component").iterdir() if any(folder.glob("test_*.py"))} <= {
        stage.name for stage in STAGES
    }


@pytest.mark.parametrize("stage", STAGES, ids=lambda path: path.name)
def test_every_stage_is_built_alike(stage: Path) -> None:
    assert {"__init__.py", "component.py", "config.py", "logic.py"} <= {path.name for path in stage.iterdir()}
    tree = ast.parse((stage / "component.py").read_text(encoding="utf-8"))
    functions = list(_functions(tree))
    assert [function.name for function in functions] == [stage.name], "folder, function and task have one name"
    body = functions[0].body[1:]
    assert ast.get_docstring(functions[0])
    assert (body[-1].end_lineno or 0) - body[0].lineno + 1 <= 10, "the KFP interface ends at ten lines"
    assert not any(isinstance(node, ast.If | ast.For | ast.While | ast.Try) for node in ast.walk(functions[0])), (
        "no control flow in a component"
    )
    assert not any(isinstance(node, ast.ImportFrom) and node.module == "__future__" for node in tree.body), (
        "kfp cannot read deferred annotations"
    )
    assert (ROOT / "tests" / "component" / stage.name).is_dir(), "the test folder has the stage's name"


def _imported(statement: str) -> set[str]:
    script = f"{statement}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"
    # Without the measuring of coverage, which imports SQLite.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


HEAVY = {"tensorflow", "apache_beam", "pandas", "pyarrow", "numpy", "ml_metadata", "sklearn", "matplotlib"}


@pytest.mark.parametrize(
    ("statement", "forbidden"),
    [
        ("import mlops.cli.main", {*HEAVY, "kfp", "pydantic", "rich", "yaml", "sqlite3"}),
        ("import localrun", {*HEAVY, "kfp", "google.protobuf", "rich"}),
        ("import mlops.worlds.pinned, mlops.worlds.laptop, mlops.worlds.finished", {*HEAVY, "kfp"}),
        ("import mlops.report.render", {*HEAVY, "kfp"}),
        ("import mlops.report.quality", {*HEAVY, "kfp"} - {"numpy"}),
        ("import pipelines.config", {*HEAVY, "kfp"}),
        ("import pipelines.level0, pipelines.level1, pipelines.inference", HEAVY - {"numpy"}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_nothing_heavy_is_imported_by_what_compiles_parses_or_prints(statement: str, forbidden: set[str]) -> None:
    assert not (_imported(statement) & forbidden)


def test_no_module_imports_itself_in_a_circle() -> None:
    graph = grimp.build_graph(*ROOMS)
    order = graphlib.TopologicalSorter(
        {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    )
    order.prepare()  # CycleError names the modules of a circle


def test_no_test_waits_by_the_clock_or_is_repeated_when_it_fails() -> None:
    """A test waits for a condition; a minute or more is a program that hangs until a test kills it."""
    tests = [path for folder in ("tests", "localrun/tests") for path in sorted((ROOT / folder).rglob("*.py"))]
    waits = [
        f"{_id(path)}:{node.lineno}"
        for path in tests
        if "sleep" in (text := path.read_text(encoding="utf-8"))
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("sleep") and node.args
        if isinstance(node.args[0], ast.Constant) and 1 < float(str(node.args[0].value)) < 60
    ]
    assert not waits
    declared = PROJECT["dependency-groups"]["dev"]
    assert not [one for one in declared if isinstance(one, str) and ("rerun" in one or "flaky" in one)]


@pytest.mark.known_failure(16)
def test_corrupt_records_are_never_skipped() -> None:
    """`ignore_errors` drops the rest of a shard without a word."""
    guilty = [_id(path) for path in FILES if "ignore_errors(" in path.read_text(encoding="utf-8")]
    assert not guilty
