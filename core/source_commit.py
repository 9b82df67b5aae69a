"""The commit that the sources come from, and whether they differ from it."""

import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

from core.user_code import ROOT


class SourceCommit(NamedTuple):
    """The commit of a checkout."""

    commit: str
    """40 hex digits; empty where the sources are no checkout, as in an image."""
    clean: bool
    """Whether every file is as the commit has it, and no other file is there that is not ignored."""


def source_commit(root: Path = ROOT) -> SourceCommit:
    """Ask git for the commit of the sources below a folder; without git or a checkout nothing is known, or clean."""
    if shutil.which("git") is None:
        return SourceCommit("", clean=False)
    head = _git(root, "rev-parse", "HEAD")
    if head is None:
        return SourceCommit("", clean=False)
    return SourceCommit(head.strip(), clean=_git(root, "status", "--porcelain") == "")


def _git(root: Path, *arguments: str) -> str | None:
    """Return what a command of git prints; None when it fails."""
    ended = subprocess.run(  # noqa: S603 - a list, never a shell line
        ["git", "-C", str(root), *arguments],  # noqa: S607 - where git is depends on the machine
        capture_output=True,
        text=True,
        check=False,
    )
    return ended.stdout if ended.returncode == 0 else None
