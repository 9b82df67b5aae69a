import gc
import inspect
import multiprocessing
import os
import py_compile
import signal
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from _pytest.assertion import rewrite
from _pytest.junitxml import xml_key
from hypothesis import HealthCheck, settings
from hypothesis.internal.conjecture import providers
from xdist.scheduler.loadfile import LoadFileScheduling

from core.source_commit import source_commit
from tests.google_storage import google_storage, google_storage_server
from tests.object_store import bucket, object_store
from tests.rooms import SHIPPED

__all__ = ["bucket", "compiled_pipeline", "google_storage", "google_storage_server", "object_store"]


def _stack(context: int = 0) -> list[inspect.FrameInfo]:
    """Return the callers' frames without their source lines, as `inspect.stack(context=0)` does.

    kfp asks for its caller with every setting of a task. Frames of pytest's workers have no file, and the library
    looks through all modules for each of them, every time: 10 ms a setting, half of the time of compiling a pipeline.
    """
    frames, frame = [], inspect.currentframe()
    while frame is not None and (frame := frame.f_back) is not None:
        code = frame.f_code
        frames.append(inspect.FrameInfo(frame, code.co_filename, frame.f_lineno, code.co_name, None, None))
    return frames


def _proxies() -> dict[str, str]:
    """Return the proxies that the environment names, as urllib does.

    Each request of a client asks twice, and urllib decodes all variables twice: a sixth of a request on this machine.
    """
    named = any(name[-6:].lower() == b"_proxy" for name in os.environ._data)  # type: ignore[attr-defined]
    return _named_proxies() if named else {}


inspect.stack = _stack
_named_proxies = urllib.request.getproxies_environment
urllib.request.getproxies = urllib.request.getproxies_environment = _proxies
sys.modules["rfc3987_syntax"] = None  # type: ignore[assignment]  # jsonschema's for addresses: 2 s to import a grammar
yaml.SafeLoader = yaml.CSafeLoader  # kfp reads a pipeline with the one in Python, half a second each time
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background processes, and so theirs, ignore it
os.environ["MLOPS_WARM"] = "off"  # no process outlives a test, unless the test is about that

# An example may take as long as a busy machine needs. The examples of a test are the same in every run, so that a red
# run is a change's doing, and few, since trying them again finds nothing new; `--hypothesis-profile explore` tries
# others, and four times as many.
settings.register_profile("explore", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("same", parent=settings.get_profile("explore"), derandomize=True, max_examples=25)
settings.load_profile("same")

LONGEST_FIRST = (
    "tests/e2e/",
    "tests/unit/serving/",
    "tests/component/",
    "tests/unit/worlds/",
    "tests/usecase/",
    "tests/unit/backends/",
    "tests/notebooks/",
    "tests/conformance/",
    "tests/pipeline/",
    "tests/infra/",
    "tests/unit/adapters/",
    "tests/unit/cluster/",
    "tests/unit/actions/",
    "tests/sweeps/",
    "tests/unit/artifacts/",
    "localrun/tests/",
)
"""Rooms of long files and groups: handed out first, so that the processes of a parallel run end about together."""
TOGETHER = {
    "tests/e2e/test_planted_secrets": "road",
    "tests/e2e/test_sabotage": "road",
    "tests/e2e/": "runs",
    "tests/unit/actions/scoring/": "scoring",
    "tests/unit/serving/": "serving",
    "tests/unit/worlds/": "worlds",
}
"""How a file begins -> its group, which one process runs: its files share what takes seconds to make."""


def pytest_configure(config: pytest.Config) -> None:
    gc.disable()  # until all is imported and collected
    if config.getoption("hypothesis_profile", None) is None:
        # Hypothesis draws from the constants of all modules that happen to be imported, the tests' own helpers and
        # other files' modules too: a test would try other examples in a run of other files.
        providers._get_local_constants = lambda: providers._local_constants
    if config.getoption("dist", "no") != "no" and not hasattr(config, "workerinput") and not sys.dont_write_bytecode:
        _compile_once(config)


def _compile_once(config: pytest.Config) -> None:
    """Compile what a fresh clone has as source only; else each process of a parallel run would compile all of it."""
    rooms = [config.rootpath / room for room in (*SHIPPED, "localrun/src", "localrun/tests", "tests")]
    files = [file for room in rooms for file in room.rglob("*.py") if not _is_compiled(file)]
    fork = multiprocessing.get_context("fork")
    count = min(os.cpu_count() or 1, len(files))
    compilers = [fork.Process(target=_compile, args=(config, files[one::count])) for one in range(count)]
    for compiler in compilers:
        compiler.start()
    for compiler in compilers:
        compiler.join()  # what it could not compile fails where it is imported


def _is_rewritten(file: Path) -> bool:
    return file.name.startswith("test_") or file.name == "conftest.py"


def _compiled(file: Path) -> Path:
    """Return where the bytecode of a file lies: of a test, with the assertions that pytest has rewritten."""
    tail = rewrite.PYC_TAIL if _is_rewritten(file) else f".{sys.implementation.cache_tag}.pyc"
    return rewrite.get_cache_dir(file) / f"{file.stem}{tail}"


def _is_compiled(file: Path) -> bool:
    compiled = _compiled(file)
    return compiled.exists() and compiled.stat().st_mtime >= file.stat().st_mtime


def _compile(config: pytest.Config, files: list[Path]) -> None:
    for file in files:
        compiled = _compiled(file)
        if not rewrite.try_makedirs(compiled.parent):
            continue
        if _is_rewritten(file):
            stat, code = rewrite._rewrite_test(file, config)
            rewrite._write_pyc(config.stash[rewrite.assertstate_key], code, stat, compiled)
        else:
            py_compile.compile(str(file), str(compiled))


def pytest_xdist_auto_num_workers() -> int:
    """One process more than processors: tests wait a good part of their time, for deadlines and for other processes."""
    return (os.cpu_count() or 1) + 1


def pytest_collection_finish() -> None:
    """Leave what was imported and collected out of every later search for garbage: it stays to the end.

    The rest is searched more rarely than by default. Tests make many objects that stay, such as traced graphs, and one
    search through all of them takes a tenth of a second or two: together a twelfth of the time of tests that train.
    """
    gc.freeze()
    gc.set_threshold(5_000, 20, 100)
    gc.enable()


def pytest_sessionstart(session: pytest.Session) -> None:
    """Name the commit in a report for machines, when exactly its files are tested: a release takes no other report."""
    report = session.config.stash.get(xml_key, None)
    source = source_commit(session.config.rootpath) if report is not None else None
    if report is not None and source is not None and source.clean:
        report.add_global_property("commit", source.commit)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=_rank)
    if not os.environ.get("MLOPS_TEST_NIGHTLY"):
        for item in items:
            if (mark := item.get_closest_marker("nightly")) is not None:
                item.add_marker(pytest.mark.skip(reason=f"{mark.args[0]}; MLOPS_TEST_NIGHTLY=1 runs it"))


def _rank(item: pytest.Item) -> int:
    return next((rank for rank, room in enumerate(LONGEST_FIRST) if item.nodeid.startswith(room)), len(LONGEST_FIRST))


class _ByFile(LoadFileScheduling):
    """Hands out whole files, as `--dist loadfile` does, and the files of a group together."""

    def _split_scope(self, nodeid: str) -> str:
        file = super()._split_scope(nodeid)
        return next((group for start, group in TOGETHER.items() if file.startswith(start)), file)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadFileScheduling | None:
    return _ByFile(config, log) if config.getoption("dist") == "loadfile" else None


@pytest.fixture(scope="session")
def compiled_pipeline(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return the compiled file of a pipeline of flight_delay; compiled once, so do not write to it."""
    from pipelines.compiled import compile_pipeline
    from pipelines.config import find, load

    folder = tmp_path_factory.mktemp("compiled")

    def compiled(pipeline: str) -> Path:
        path = folder / f"{pipeline}.yaml"
        if not path.exists():
            compile_pipeline(load(find("flight_delay")), pipeline, path)
        return path

    return compiled
