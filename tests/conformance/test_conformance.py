"""One compiled pipeline, one meaning: every construct of KFP, and awkward combinations, on each backend."""

from pathlib import Path

import cases_branches
import cases_exits
import cases_loops
import cases_values
import pytest
from conformance_backends import Backend
from conformance_case import CASES, Case, placed
from conformance_result import check
from kfp import compiler

MODULES = (cases_branches, cases_exits, cases_loops, cases_values)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
@pytest.mark.known_failure(5)
def test_a_pipeline_means_the_same_everywhere(case: Case, backend: Backend, tmp_path: Path) -> None:
    path = tmp_path / "pipeline.yaml"
    compiler.Compiler().compile(case.pipeline, str(path))
    (tmp_path / "given").write_text("from outside")
    check(case, backend.run(case, path, placed(case.parameters, tmp_path), tmp_path))
