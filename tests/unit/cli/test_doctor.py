import json
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from core.backends.local_registry import LocalRegistry
from core.user_code import ROOT
from mlops.cli import main as roof
from mlops.cli.machine import doctor


def _damaged_database(folder: Path) -> Path:
    (folder / "metadata.sqlite").write_bytes(b"SQLite format 3\0" + b"\xff" * 4096)
    return folder


def _damaged_model(folder: Path) -> Path:
    source = folder / "source"
    source.mkdir()
    (source / "saved_model.pb").write_text("graph")
    version = LocalRegistry(folder / "models").publish("m", source, {})
    (version.path / "saved_model.pb").write_text("other")
    return folder / "models"


def _left_over(folder: Path) -> Path:
    (folder / "models" / "m" / ".staging-4").mkdir(parents=True)
    return folder


def _other_lock(folder: Path) -> Path:
    (folder / "uv.lock").write_text(
        '[[package]]\nname = "kfp"\nversion = "9.9"\n[[package]]\nname = "protobuf"\nversion = "9.9"\n'
    )
    return folder / "uv.lock"


FAILING = [
    (lambda _: doctor.python((3, 12, 1)), "3.12.1", "make setup", True),
    (lambda _: doctor.libc("", ""), "no glibc", "glibc 2.17", True),
    (lambda _: doctor.libc("glibc", "2.12"), "glibc 2.12", "glibc 2.17", True),
    (lambda _: doctor.processors(1), "1", "twice the time", False),
    (lambda _: doctor.memory(2**30), "1.0 GiB free", "3 GiB", True),
    (lambda _: doctor.memory(2 * 2**30), "2.0 GiB free", "3 GiB", False),
    (lambda folder: doctor.disk(folder, 2**60), "GiB free at", "MLOPS_HOME", True),
    (
        lambda folder: doctor.packages(_other_lock(folder)),
        "kfp is 2.13.0, wanted 9.9; protobuf is",
        "uv sync --frozen",
        True,
    ),
    (lambda folder: doctor.packages(folder / "none.lock"), "none.lock", "git checkout", True),
    (lambda _: doctor.hotfix("pyarrow_hotfix_that_is_missing"), "missing", "uv sync --frozen", True),
    (lambda folder: doctor.databases(_damaged_database(folder)), "metadata.sqlite", "move the named file away", True),
    (
        lambda folder: doctor.registry(str(_damaged_model(folder))),
        "saved_model.pb: wanted sha256:",
        "mlops models rollback",
        True,
    ),
    (lambda folder: doctor.leftovers(_left_over(folder)), "models/m/.staging-4", "the next run or push", False),
    (
        lambda folder: next(doctor.cluster_tools({"PATH": str(folder)})),
        "not installed",
        "only make deploy-local",
        False,
    ),
]


@pytest.mark.parametrize(("check", "found", "fix", "required"), FAILING)
def test_a_problem_is_named_with_its_fix(
    tmp_path: Path, check: Callable[[Path], doctor.Finding], found: str, fix: str, required: bool
) -> None:
    result = check(tmp_path)
    assert not result.ok
    assert found in result.found
    assert fix in result.fix
    assert result.required is required


def test_a_store_that_cannot_be_written_is_named_with_its_mode() -> None:
    with tempfile.TemporaryDirectory() as outer:
        Path(outer).chmod(0o555)
        user = os.geteuid()
        os.seteuid(user or 65534)
        try:
            check = doctor.writable(Path(outer) / "store")
        finally:
            os.seteuid(user)
    assert not check.ok
    assert outer in check.found
    assert "mode 0555" in check.found


def test_a_healthy_machine_is_ready(tmp_path: Path) -> None:
    for check in [
        doctor.packages(ROOT / "uv.lock"),
        doctor.hotfix(),
        doctor.writable(tmp_path),
        doctor.databases(tmp_path),
        doctor.registry(str(tmp_path / "models")),
    ]:
        assert check.ok, check
        assert check.fix == ""


@pytest.mark.parametrize("broken", [False, True])
def test_the_verb_fails_only_for_what_a_run_needs(
    broken: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLOPS_HOME", str(tmp_path))
    checks = [
        doctor.Finding("docker", False, "not installed", "optional", required=False),
        doctor.Finding("disk", not broken, "0 GiB", "free some"),
    ]
    monkeypatch.setattr(doctor, "examine", lambda _: iter(checks))
    for argv in (["mlops", "doctor"], ["mlops", "doctor", "--json"]):
        monkeypatch.setattr(sys, "argv", argv)
        with pytest.raises(SystemExit) as ended:
            roof.main()
        assert (ended.value.code or 0) == int(broken)
        output = capsys.readouterr().out
    assert json.loads(output)["ok"] is not broken
    assert [check["name"] for check in json.loads(output)["checks"]] == ["docker", "disk"]


def test_an_object_store_that_does_not_answer_is_a_problem_and_no_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "b",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("core.object_stores.s3.SECONDS", 2.0)
    check = doctor.registry("s3://bucket/models")
    assert not check.ok
    assert "127.0.0.1:1 does not answer" in check.found
    assert "MLOPS_STORE" in check.fix
