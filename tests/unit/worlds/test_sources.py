"""No stale hit and no needless miss: a stage's cache key changes with what it can import, and with nothing else."""

import re
import shutil
import tomllib
from functools import cache
from pathlib import Path

import grimp
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core import build_context
from core.store import Store
from core.user_code import ROOT
from localrun.environments.code import CodeFinder
from localrun.environments.environment import Environment
from localrun.store.digests import Digests
from mlops.worlds.sources import stage_sources
from pipelines import stages

ROOMS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]["root_packages"]
FILES = [name for name in build_context.files() if name.partition("/")[0] in ROOMS and name.endswith(".py")]
READ_BESIDE = "core/words.txt"
"""A file that is no Python, beside code that every stage imports."""
NEVER_READ = ("README.md", "docs/traps.md", "mlops/report/templates/report.html.j2", "core/README.md", "core/.x.swp")


@cache
def _graph() -> grimp.ImportGraph:
    return grimp.build_graph(*ROOMS, exclude_type_checking_imports=True, cache_dir=None)


@cache
def _reached(start: str) -> frozenset[str]:
    return frozenset({start, *_graph().find_upstream_modules(start)})


@cache
def _importable(stage: str) -> frozenset[str]:
    """Modules that a stage can import, found by another reader of imports; names in strings count as imports."""
    found: set[str] = set()
    waiting = [f"components.{stage}.component"]
    while waiting:
        new = _reached(waiting.pop()) - found
        found |= new
        for module in new:
            path = ROOT / module.replace(".", "/")
            path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
            spelled = re.findall(r"""["']((?:\w+\.)+\w+)(?::\w+)?["']""", path.read_text(encoding="utf-8"))
            owners = [name.rpartition(".")[0] for name in spelled]  # the last part may be a name inside a module
            packages = [".".join(module.split(".")[:length]) for length in range(1, module.count(".") + 1)]
            reached = (*spelled, *owners, *packages)
            waiting += [name for name in reached if name in _graph().modules and name not in found]
    return frozenset(found)


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("project")
    for name in build_context.files():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, root / name)
    for name in (READ_BESIDE, *NEVER_READ):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("as it was\n", encoding="utf-8")
    return root


def _keys(root: Path) -> dict[str, dict[str, str] | None]:
    """What of a cache key stands for the code of each stage; what was remembered before must not matter."""
    sources = stage_sources(Store(root / "store"), root)
    environment = Environment(cwd=root, sources=sources)
    return {stage: CodeFinder(Digests()).named(stage, environment) for stage in stages.names()}


@pytest.fixture(scope="module")
def before(copy: Path) -> dict[str, dict[str, str] | None]:
    return _keys(copy)


@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))
@given(name=st.sampled_from([*FILES, READ_BESIDE, *NEVER_READ]), added=st.sampled_from(["# changed\n", "x = 1\n"]))
def test_the_key_changes_with_what_a_stage_can_import_and_with_nothing_else(
    copy: Path, before: dict[str, dict[str, str] | None], name: str, added: str
) -> None:
    path = copy / name
    text = path.read_text(encoding="utf-8")
    try:
        path.write_text(text + added, encoding="utf-8")
        after = _keys(copy)
    finally:
        path.write_text(text, encoding="utf-8")
    module = name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    for stage in stages.names():
        can_read = name == READ_BESIDE or (name.endswith(".py") and module in _importable(stage))
        assert (after[stage] != before[stage]) == can_read, f"{stage} and {name}"


def test_an_import_that_is_added_brings_its_file_into_the_key(copy: Path) -> None:
    """The list of files is not remembered: what was out of reach a moment ago counts as soon as it is imported."""
    logic, far = copy / "components/scope_use_case/logic.py", copy / "pipelines/level0.py"
    text, served = logic.read_text(encoding="utf-8"), far.read_text(encoding="utf-8")
    logic.write_text(f"{text}\n\ndef late() -> None:\n    from pipelines import level0\n", encoding="utf-8")
    before = _keys(copy)
    far.write_text(served + "# changed\n", encoding="utf-8")
    after = _keys(copy)
    logic.write_text(text, encoding="utf-8")
    far.write_text(served, encoding="utf-8")
    assert after["scope_use_case"] != before["scope_use_case"]
    assert after["ingest_examples"] == before["ingest_examples"]


def test_a_function_that_is_no_stage_is_never_cached(copy: Path) -> None:
    environment = Environment(cwd=copy, sources=stage_sources(Store(copy / "store"), copy))
    assert CodeFinder(Digests()).named("somebody_elses", environment) is None
