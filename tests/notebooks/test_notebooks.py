"""Every notebook runs from its first cell to its last, in a store of its own."""

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import nbformat
import pytest
from IPython.core.displayhook import CapturingDisplayHook
from IPython.core.displaypub import CapturingDisplayPublisher
from IPython.core.interactiveshell import InteractiveShell
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from traitlets.config import Config

pytestmark = pytest.mark.timeout(1800)  # the first notebook waits for TensorFlow
NOTEBOOKS = sorted(Path(__file__).resolve().parents[2].joinpath("notebooks").glob("*.ipynb"))
RESET = "%reset -f"
"""Names are forgotten, so that each notebook starts empty; imports stay, or each would wait for TensorFlow."""


@pytest.fixture(scope="module")
def kernel() -> Iterator[AsyncKernelManager]:
    """One kernel for all notebooks, started with the first."""
    manager = AsyncKernelManager(kernel_name="python3")
    yield manager
    if manager.has_kernel:
        asyncio.run(manager.shutdown_kernel(now=True))


def _read(path: Path) -> nbformat.NotebookNode:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    return notebook


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    home = tmp_path_factory.mktemp("notebooks")
    return {**os.environ, "MLOPS_HOME": str(home / "store"), "TF_CPP_MIN_LOG_LEVEL": "3"}


def _html(data: dict[str, Any]) -> bool:
    return "text/html" in data


def test_there_are_three() -> None:
    assert {path.stem for path in NOTEBOOKS} == {"data", "model_analysis", "pipeline"}


@pytest.fixture(scope="module")
def shell() -> Iterator[InteractiveShell]:
    """What a kernel runs cells with, in this process, which has imported TensorFlow."""
    settings = Config({"HistoryManager": {"enabled": False}})
    shell = InteractiveShell.instance(config=settings, user_module=ModuleType("notebook"))
    shell.display_pub = CapturingDisplayPublisher()
    shell.display_trap.hook = CapturingDisplayHook(shell, shell.display_pub.outputs)
    yield shell
    shell.restore_sys_module_state()
    InteractiveShell.clear_instance()


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_to_its_end(
    path: Path, shell: InteractiveShell, environment: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    shell.reset(new_session=False)
    shell.display_pub.outputs.clear()
    for cell in _read(path).cells:
        if cell.cell_type == "code":
            shell.run_cell(cell.source).raise_error()
    assert sum(_html(output["data"]) for output in shell.display_pub.outputs) >= 4, "artifacts show themselves"


@pytest.mark.nightly("a kernel that imports TensorFlow; the test above has every cell")
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_kernel_runs_a_notebook_to_its_end(
    path: Path, kernel: AsyncKernelManager, environment: dict[str, str], tmp_path: Path
) -> None:
    notebook = _read(path)
    notebook.cells.insert(0, nbformat.v4.new_code_cell(RESET))
    place = {"metadata": {"path": str(tmp_path)}}
    client = NotebookClient(notebook, km=kernel, timeout=500, startup_timeout=500, iopub_timeout=300, resources=place)
    client.execute(env=environment)  # a cell that raises, raises here
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    shown = [output.data for output in outputs if output.output_type in ("display_data", "execute_result")]
    assert sum(map(_html, shown)) >= 4, "artifacts show themselves"
