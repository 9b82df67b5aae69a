"""Every pipeline that the installed kfp package compiles in its own tests loads, or is refused by name."""

import contextlib
import io
import unittest
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from kfp import compiler

import localrun
from localrun import LocalrunError, UnsupportedPipeline

MODULES = [
    pytest.importorskip(f"kfp.{name}")
    for name in ("compiler.compiler_test", "compiler.pipeline_spec_builder_test", "dsl.component_decorator_test")
]


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Path]]:
    """Run kfp's tests of its compiler and keep a copy of what they compile; whether they pass does not matter."""
    folder = tmp_path_factory.mktemp("samples")
    found: list[Path] = []
    compile_it = compiler.Compiler.compile

    def keep(self: Any, pipeline_func: Any, package_path: str, *args: Any, **kwargs: Any) -> None:
        compile_it(self, pipeline_func, package_path, *args, **kwargs)
        found.append(folder / f"{len(found)}.yaml")
        found[-1].write_bytes(Path(package_path).read_bytes())

    suite = unittest.TestSuite(unittest.defaultTestLoader.loadTestsFromModule(module) for module in MODULES)
    said = io.StringIO()
    with (
        mock.patch.object(compiler.Compiler, "compile", keep),
        contextlib.redirect_stdout(said),
        contextlib.redirect_stderr(said),
        contextlib.chdir(folder),
    ):
        unittest.TextTestRunner(stream=said).run(suite)
    return found


def test_whatever_kfp_compiles_loads_or_is_refused_by_name(samples: list[Path]) -> None:
    refused: dict[str, str] = {}
    for path in samples:
        try:
            localrun.load(path)
        except LocalrunError as error:
            refused[path.name] = f"{type(error).__name__}: {error}"
    print(f"{len(samples)} samples, {len(refused)} refused", *refused.values(), sep="\n")
    assert len(samples) > 50
    assert len(refused) < len(samples) / 5
    assert all(error.startswith(UnsupportedPipeline.__name__) for error in refused.values())
