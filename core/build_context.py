"""The build context of the images: the files that `.dockerignore` includes, matched as a container build does."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from core import digest
from core.errors import MlopsError
from core.user_code import ROOT

IGNORE = ".dockerignore"
CERTIFICATES = "ca-bundle.crt"
"""May lie in the context for build stages that download; no image contains it, so it is not part of the tag."""

_TOKENS = re.compile(r"\*\*/|\*\*|\*|\?|\[[^]]+]")
_MEANING = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}


class Rule(NamedTuple):
    """One line of `.dockerignore`; the last one that matches a file, or a folder above it, decides."""

    pattern: str
    includes: bool
    names: re.Pattern[str]


def files(root: Path = ROOT) -> list[str]:
    """Return the relative names of all files that images contain, sorted.

    Raises MlopsError for a folder without a `.dockerignore`.
    """
    rules = _rules(root / IGNORE)
    found: set[str] = set()
    for rule in rules:
        # Only the included names are walked: the rest of the folder may be large.
        if rule.includes:
            found.update(_walk(root, rule.pattern, rules))
    return sorted(found - {CERTIFICATES})


def content_digest(root: Path = ROOT) -> str:
    """Digest over the names and contents of these files: times, owners, modes and order do not count."""
    return digest.of_files((name, root / name) for name in files(root))


def _rules(path: Path) -> list[Rule]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        raise MlopsError(
            f"{path}: wanted the list of files that images contain, got no file; "
            "work from a checkout of the project, or in one of its images"
        ) from None
    patterns = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    return [_rule(line.removeprefix("!").strip("/"), includes=line.startswith("!")) for line in patterns]


def _rule(pattern: str, *, includes: bool) -> Rule:
    literals = [re.escape(text) for text in _TOKENS.split(pattern)]
    meanings = [_MEANING.get(token, token) for token in _TOKENS.findall(pattern)]
    expression = "".join(text for pair in zip(literals, [*meanings, ""], strict=True) for text in pair)
    return Rule(pattern, includes, re.compile(f"(?:{expression})(?:/.*)?"))


def _walk(root: Path, name: str, rules: list[Rule]) -> Iterator[str]:
    if not _is_included(name, rules):
        return
    if (root / name).is_dir():
        for entry in os.scandir(root / name):
            yield from _walk(root, f"{name}/{entry.name}", rules)
    elif (root / name).is_file():
        yield name


def _is_included(name: str, rules: list[Rule]) -> bool:
    for rule in reversed(rules):
        if rule.names.fullmatch(name):
            return rule.includes
    return True
