"""No file that a stage can import is outside its closure, and none that it cannot import is in it."""

import os
import re
import tomllib
from pathlib import Path

import grimp
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.errors import UsageError
from core.import_closure import ROOT, ImportClosure

STAGES = sorted(path.parent.name for path in (ROOT / "components").glob("*/component.py"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
ROOMS = PROJECT["tool"]["importlinter"]["root_packages"]

STYLES = (
    "import {package}.{module}",
    "import {package}.{module} as other",
    "from {package} import {module}",
    "from {package}.{module} import NAME",
    "from {package}.{module} import *",
    "def late():\n    from {package} import {module}",
    "class Late:\n    def late(self):\n        if self:\n            import {package}.{module}",
    "import importlib\nimportlib.import_module('{package}.{module}')",
    "import subprocess\nCOMMAND = ['python', '-m', '{package}.{module}']",
    "BACKENDS = {{'s3': '{package}.{module}:NAME'}}",
)
RELATIVE = ("from . import {module}", "from .{module} import NAME", "def late():\n    from . import {module}")
NO_IMPORTS = (
    "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import {package}.{module}",
    "# import {package}.{module}",
    '"""Like {package}.{module}, but smaller."""',
)
SIZE = 7
MODULES = [(f"room{number % 3}", f"part{number}") for number in range(SIZE)]
edges = st.tuples(
    st.integers(0, SIZE - 1),
    st.integers(0, SIZE - 1),
    st.integers(0, len(STYLES) + len(RELATIVE) + len(NO_IMPORTS) - 1),
)


def _path(root: Path, number: int) -> Path:
    package, module = MODULES[number]
    return root / package / f"{module}.py"


def _written(root: Path, imports: list[tuple[int, int, int]]) -> dict[int, set[int]]:
    """Write a project and return which module imports which."""
    lines: dict[int, list[str]] = {number: ["NAME = 1"] for number in range(SIZE)}
    reached: dict[int, set[int]] = {number: set() for number in range(SIZE)}
    for importer, imported, style in imports:
        package, module = MODULES[imported]
        texts = [*STYLES, *(RELATIVE if MODULES[importer][0] == package else STYLES[:3]), *NO_IMPORTS]
        lines[importer].append(texts[style].format(package=package, module=module))
        if style < len(STYLES) + len(RELATIVE):
            reached[importer].add(imported)
    for number, text in lines.items():
        path = _path(root, number)
        path.parent.mkdir(parents=True, exist_ok=True)
        (path.parent / "__init__.py").touch()
        path.write_text("\n".join(text) + "\n", encoding="utf-8")
    return reached


def _files_and_saved(root: Path, cache: Path, *entries: Path) -> list[Path]:
    """Return the files that are reached, and leave the cache to the next closure."""
    closure = ImportClosure(root, cache)
    files = closure.files(*entries)
    closure.save()
    return files


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(imports=st.lists(edges, max_size=12), cached=st.lists(edges, max_size=3))
def test_the_closure_is_what_the_imports_reach(
    tmp_path_factory: pytest.TempPathFactory,
    imports: list[tuple[int, int, int]],
    cached: list[tuple[int, int, int]],
) -> None:
    root = tmp_path_factory.mktemp("project")
    cache = root / "store" / "imports.json"
    for written in (cached, imports):  # the cache of the first project must not be used for the second
        reached = _written(root, written)
        _files_and_saved(root, cache, *(_path(root, number) for number in range(SIZE)))
    for entry in range(SIZE):
        wanted, waiting = {entry}, [entry]
        while waiting:
            new = reached[waiting.pop()] - wanted
            wanted |= new
            waiting += new
        found = {path for path in ImportClosure(root, cache).files(_path(root, entry)) if path.name != "__init__.py"}
        assert found == {_path(root, number) for number in wanted}


def test_files_beside_imported_code_count_and_leftovers_do_not(tmp_path: Path) -> None:
    for name in ("room/__init__.py", "room/page.py", "room/templates/page.j2", "room/inner/code.py", "room/words.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    for name in ("room/README.md", "room/.page.py.swp", "room/page.py~", "room/inner/table.csv", "other/words.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    entry = tmp_path / "entry.py"
    entry.write_text("from room.page import show\n", encoding="utf-8")
    found = [path.relative_to(tmp_path).as_posix() for path in ImportClosure(tmp_path).files(entry)]
    assert found == ["entry.py", "room/__init__.py", "room/page.py", "room/templates/page.j2", "room/words.txt"]


def test_a_package_of_the_workspace_is_found_by_the_name_that_it_is_imported_by(tmp_path: Path) -> None:
    code = tmp_path / "member" / "src" / "member"
    code.mkdir(parents=True)
    for name in ("__init__", "first", "second", "third"):
        (code / f"{name}.py").write_text("from . import second\n" if name == "first" else "", encoding="utf-8")
    (tmp_path / "member" / "pyproject.toml").touch()
    entry = tmp_path / "entry.py"
    entry.write_text("from member.first import NAME\n", encoding="utf-8")
    found = [path.relative_to(tmp_path).as_posix() for path in ImportClosure(tmp_path).files(entry)]
    assert found == ["entry.py", *(f"member/src/member/{name}.py" for name in ("__init__", "first", "second"))]


def test_a_module_that_is_added_later_is_found_in_spite_of_the_cache(tmp_path: Path) -> None:
    cache, entry = tmp_path / "imports.json", tmp_path / "room" / "entry.py"
    entry.parent.mkdir()
    entry.write_text("from room import extra\n", encoding="utf-8")
    os.utime(entry, (1, 1))
    assert _files_and_saved(tmp_path, cache, entry) == [entry]
    (tmp_path / "room" / "extra.py").touch()
    assert ImportClosure(tmp_path, cache).files(entry) == [entry, tmp_path / "room" / "extra.py"]


def test_a_broken_cache_is_ignored(tmp_path: Path) -> None:
    cache = tmp_path / "imports.json"
    entry = ROOT / "components" / "scope_use_case" / "component.py"
    wanted = ImportClosure().files(entry)
    for content in ("", "[]", "{}", '{"by": [1, 2], "files": {}}', '{"files": 3}'):
        cache.write_text(content, encoding="utf-8")
        assert ImportClosure(cache=cache).files(entry) == wanted


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    return grimp.build_graph(*ROOMS, exclude_type_checking_imports=True, cache_dir=None)


@pytest.fixture(scope="module")
def closure() -> ImportClosure:
    return ImportClosure()


@pytest.fixture(scope="module")
def in_images() -> set[str]:
    from core import build_context

    return set(build_context.files())


@pytest.mark.parametrize("stage", STAGES)
def test_a_stages_closure_is_the_import_graphs(
    stage: str, graph: grimp.ImportGraph, closure: ImportClosure, in_images: set[str]
) -> None:
    """Compared with grimp's import graph; and every file of it is in the images."""
    upstream = {f"components.{stage}.component"} | graph.find_upstream_modules(f"components.{stage}.component")
    files = closure.files(ROOT / "components" / stage / "component.py")
    modules = {".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for path in files}
    assert upstream <= modules
    texts = "\n".join(path.read_text(encoding="utf-8") for path in files if path.suffix == ".py")
    in_strings = set(re.findall(r"""["']((?:\w+\.)+\w+)(?::\w+)?["']""", texts)) & graph.modules
    reached = {name for start in in_strings for name in {start, *graph.find_upstream_modules(start)}}
    above = {name.rpartition(".")[0] for name in modules} | {name.split(".")[0] for name in modules}
    assert modules <= upstream | reached | above
    assert {path.relative_to(ROOT).as_posix() for path in files} <= in_images


@pytest.mark.parametrize(
    ("content", "line"),
    [(b"x = 1\ndef late(inputs:\n    pass\n", 2), (b"x = 1\n  y = 2\n", 2), (b"x = 1\0\n", 1), (b"x = '\xff'\n", 1)],
)
def test_what_is_no_python_is_named_with_its_line(tmp_path: Path, content: bytes, line: int) -> None:
    file = tmp_path / "module.py"
    file.write_bytes(content)
    with pytest.raises(UsageError, match=rf"^{re.escape(str(file))}:{line}: wanted Python, got ."):
        ImportClosure(tmp_path).files(file)
