"""What coverage traces: the project's modules while they are imported, and tests while they run.

Python 3.11 calls a trace function for every line of a thread, whoever's it is, which makes tests half as long again. So
nothing is traced while libraries are imported and tests are collected, in long functions of libraries that call nothing
of the project's, in threads of stand-ins and of fsspec, in most processes that tests start, and in tests that run no
code of the project's which others do not run too.
"""

import functools
import importlib.machinery
import os
import posix
import sys
import threading
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest

from tests.rooms import ROOT, SHIPPED

UNMEASURED = ("tests/infra/", "tests/interop/", "tests/sweeps/", "tests/test_architecture.py")
"""Tests that read the project's code, or run it again and again as other tests do once."""
PROCESSES = ("localrun/tests/test_localrun_lasting.py",)
"""Tests whose processes run what no test does itself, the code of warm processes; each task writes a file of data."""
VARIABLE = "COVERAGE_PROCESS_CONFIG"
"""Coverage sets it; a Python that starts with it is traced."""
LIBRARIES = {
    "google.auth.transport.requests": ("AuthorizedSession.request",),
    "google.protobuf.json_format": ("MessageToDict", "MessageToJson", "Parse", "ParseDict"),
    "kfp.client.client": ("Client.create_run_from_pipeline_package",),
    "kfp.compiler.compiler": ("Compiler.compile",),
    "kfp.dsl.base_component": ("BaseComponent.__call__",),
    "kfp.dsl.component_factory": ("create_component_from_func",),
    "matplotlib.figure": ("Figure.savefig",),
    "tensorflow.python.autograph.pyct.transpiler": ("PyToPy.transform_function",),
    "tensorflow.python.saved_model.load": ("load_partial",),
    "tensorflow.python.saved_model.loader_impl": ("SavedModelLoader.load",),
    "yaml.representer": ("BaseRepresenter.represent",),
}
"""Module -> functions of libraries that take long and call none of the project's."""
_PROJECT = tuple(f"{ROOT / room}{os.sep}" for room in SHIPPED)


class Measuring:
    """Turns coverage's trace function of this thread, and of those that it starts, on and off."""

    def __init__(self) -> None:
        """Turn it off."""
        self._tracer, self._in_threads = sys.gettrace(), threading.gettrace()
        self._processes: str | None = None
        self._thread = threading.get_ident()
        self._off()
        if self._tracer is not None:
            self._trace_imports()
            for name in LIBRARIES.keys() & sys.modules.keys():
                _leave_functions_out(sys.modules[name])
            os.register_at_fork(after_in_child=self._leave_child_out)

    def pytest_configure(self, config: pytest.Config) -> None:
        """Leave processes out, but those that run the tests."""
        if hasattr(config, "workerinput") or not config.getoption("numprocesses", None):
            self._processes = os.environ.pop(VARIABLE, None)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        """Trace a test, and the processes that it starts where they are to be measured."""
        if self._tracer is None or item.nodeid.startswith(UNMEASURED) or item.get_closest_marker("unmeasured"):
            return (yield)
        if self._processes is not None and item.nodeid.startswith(PROCESSES):
            os.environ[VARIABLE] = self._processes
        self._on()
        try:
            return (yield)
        finally:
            self._off()
            os.environ.pop(VARIABLE, None)

    def _leave_child_out(self) -> None:
        """Have a fork end at once: coverage would write down all that its parent has run until now."""
        if VARIABLE not in os.environ:
            self._off()
            os._exit = posix._exit

    def _on(self) -> None:
        sys.settrace(self._tracer)
        threading.settrace(self._in_threads)

    def _off(self) -> None:
        sys.settrace(None)
        threading.settrace(None)

    def _trace_imports(self) -> None:
        execute = importlib.machinery.SourceFileLoader.exec_module

        def exec_module(loader: importlib.machinery.SourceFileLoader, module: ModuleType) -> None:
            before = sys.gettrace()
            tracer = self._tracer if threading.get_ident() == self._thread else before
            sys.settrace(tracer if loader.path.startswith(_PROJECT) else None)
            try:
                execute(loader, module)
            finally:
                sys.settrace(before)
            _leave_functions_out(module)

        importlib.machinery.SourceFileLoader.exec_module = exec_module


def _leave_functions_out(module: ModuleType) -> None:
    """Do not trace the functions of a library that are in the table, nor the thread in which fsspec asks stores."""
    for name in LIBRARIES.get(module.__name__, ()):
        _leave_out(module, name)
    if module.__name__ == "fsspec.asyn":
        _leave_loop_out(module)


def _leave_loop_out(asyn: ModuleType) -> None:
    get_loop = asyn.get_loop

    def untraced() -> Any:
        if asyn.loop[0] is not None:
            return get_loop()
        before = threading.gettrace()
        threading.settrace(None)
        try:
            return get_loop()
        finally:
            threading.settrace(before)

    asyn.get_loop = untraced


def _leave_out(module: ModuleType, name: str) -> None:
    """Do not trace a function of a module, named with its class, while it runs."""
    *owner, attribute = name.split(".")
    place = getattr(module, owner[0]) if owner else module
    function = getattr(place, attribute)

    @functools.wraps(function)
    def untraced(*arguments: Any, **named: Any) -> Any:
        before = sys.gettrace()
        sys.settrace(None)
        try:
            return function(*arguments, **named)
        finally:
            sys.settrace(before)

    setattr(place, attribute, untraced)


def leave_this_thread_out() -> None:
    """Do not trace the rest of this thread: it runs a stand-in or a library."""
    sys.settrace(None)
