import subprocess
from pathlib import Path

import pytest

from core.source_commit import SourceCommit, source_commit


def _git(folder: Path, *arguments: str) -> None:
    who = ["-c", "user.name=ada", "-c", "user.email=ada@example.com", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", "-C", str(folder), *who, *arguments], check=True, capture_output=True)


def test_a_checkout_is_clean_until_a_file_changes_or_comes(tmp_path: Path) -> None:
    assert source_commit(tmp_path) == SourceCommit("", clean=False), "no checkout"
    _git(tmp_path, "init")
    assert source_commit(tmp_path) == SourceCommit("", clean=False), "no commit"
    (tmp_path / "file").write_text("one")
    _git(tmp_path, "add", ".")
    _git(tmp_path, "commit", "-m", "one")
    commit, clean = source_commit(tmp_path)
    assert (len(commit), clean) == (40, True)
    (tmp_path / "new").write_text("")
    assert source_commit(tmp_path) == SourceCommit(commit, clean=False)
    (tmp_path / "new").unlink()
    (tmp_path / "file").write_text("two")
    assert source_commit(tmp_path) == SourceCommit(commit, clean=False)


def test_without_git_nothing_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert source_commit() == SourceCommit("", clean=False)
