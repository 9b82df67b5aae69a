"""Shell, YAML, the Dockerfile and the workflows, linted."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.infra.rendered import ROOT

BIN = Path(sys.executable).parent
SHEBANGS = (b"#!/bin/sh", b"#!/bin/bash", b"#!/usr/bin/env bash", b"#!/usr/bin/env sh")
COMPILED = {"golden", "compiled"}
"""Names of folders with pipelines that kfp compiled."""
OTHERS_FOLDERS = {".git", ".uv", ".venv", ".venv-checks", "node_modules", ".mlops"}


def project_files() -> Iterator[Path]:
    """Every file of the project that git knows or would add; all files where this is no checkout."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if listed.returncode == 0:
        yield from (ROOT / name for name in listed.stdout.decode().split("\0") if name and (ROOT / name).is_file())
        return
    for path in ROOT.rglob("*"):
        if path.is_file() and not OTHERS_FOLDERS & set(path.relative_to(ROOT).parts):
            yield path


def _is_shell(path: Path) -> bool:
    if path.suffix in (".sh", ".bash"):
        return True
    with path.open("rb") as stream:
        return path.suffix == "" and stream.readline().strip().startswith(SHEBANGS)


def _lint(arguments: list[str]) -> None:
    ran = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_shell() -> None:
    scripts = [str(path) for path in project_files() if _is_shell(path)]
    assert str(ROOT / ".ci" / "run") in scripts
    _lint([str(BIN / "shellcheck"), "--severity=style", *scripts])


def test_yaml() -> None:
    yaml_files = [path for path in project_files() if path.suffix in (".yaml", ".yml")]
    written_by_hand = [str(path) for path in yaml_files if not COMPILED & set(path.parts)]
    assert len(written_by_hand) > 10
    _lint(
        [
            str(BIN / "yamllint"),
            "--strict",
            "--config-file",
            str(ROOT / "tests" / "infra" / "yamllint.yaml"),
            *written_by_hand,
        ]
    )


@pytest.mark.skipif(not (ROOT / "Dockerfile").exists(), reason="there is no Dockerfile")
def test_dockerfile() -> None:
    _lint([str(BIN / "hadolint"), "--failure-threshold", "style", "Dockerfile"])


def test_workflows() -> None:
    _lint([str(BIN / "zizmor"), "--offline", "--no-progress", "--persona", "auditor", ".github"])
