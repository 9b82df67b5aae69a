import importlib.util
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from kfp import compiler
from localrun_project import make_project

import localrun
from localrun import Environment, Hosts, Options, Run
from localrun.pytest_plugin import localrun_hosts, run_pipeline

__all__ = ["localrun_hosts", "run_pipeline"]  # installed with the package; here for a checkout where it is not


# An example may take as long as a busy machine needs. The examples of a test are the same in every run, so that a red
# run is a change's doing, and few, since trying them again finds nothing new; `--hypothesis-profile explore` tries
# others, and four times as many.
settings.register_profile("explore", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("same", parent=settings.get_profile("explore"), derandomize=True, max_examples=25)
settings.load_profile("same")
# A shell's background processes, and so theirs, ignore it.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_project(tmp_path_factory.mktemp("project"))


@pytest.fixture(scope="session")
def stages(project: Path) -> Iterator[ModuleType]:
    spec = importlib.util.spec_from_file_location("localrun_test_stages", project / "stages.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["localrun_test_stages"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["localrun_test_stages"]


@pytest.fixture(scope="session")
def hosts(localrun_hosts: Hosts) -> Hosts:
    return localrun_hosts


@pytest.fixture
def compiled(tmp_path: Path) -> Callable[[Any], Path]:
    def compile_it(pipeline: Any) -> Path:
        path = tmp_path / f"{pipeline.name}.yaml"
        compiler.Compiler().compile(pipeline, str(path))
        return path

    return compile_it


@pytest.fixture
def environments(project: Path) -> dict[str, Environment]:
    environment = Environment(cwd=project, sources={"*": (project / "stages.py",)})
    return dict.fromkeys(("test/data", "python", "alpine"), environment)


@pytest.fixture
def go(
    tmp_path: Path, hosts: Hosts, environments: dict[str, Environment], compiled: Callable[[Any], Path]
) -> Callable[..., Run]:
    """Compile and run a pipeline in a store of this test, with warm processes shared by the session."""

    def run(pipeline: Any, parameters: dict[str, Any] | None = None, **options: Any) -> Run:
        path = pipeline if isinstance(pipeline, Path) else compiled(pipeline)
        use = options.pop("environments", environments)
        return localrun.run(
            path,
            parameters or {},
            store=tmp_path / "store",
            environments=use,
            options=Options(**{"hosts": hosts, **options}),
        )

    return run
