"""What images are built from: the files that `.dockerignore` lets through, read as a container build reads them."""

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
"""May lie in the context for the stages that download; no image holds it, so no tag knows it."""

_TOKENS = re.compile(r"\*\*/|\*\*|\*|\?|\[[^]]+]")
_MEANING = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}


class Rule(NamedTuple):
    """One line of the file; the last one that matches a file, or a folder above it, decides."""

    pattern: str
    lets_in: bool
    names: re.Pattern[str]


def files(root: Path = ROOT) -> list[str]:
    """Return the relative names of all files that images hold, sorted.

    Raises MlopsError for a folder that no image can be built from.
    """
    rules = _rules(root / IGNORE)
    # Begun from the names that are let in: the rest of the folder may be large, and is not looked at.
    starts = [rule.pattern for rule in rules if rule.lets_in]
    return sorted({name for start in starts for name in _below(root, start, rules)} - {CERTIFICATES})


def content_digest(root: Path = ROOT) -> str:
    """Digest over the names and contents of these files: times, owners, modes and order do not count."""
    return digest.of_files((name, root / name) for name in files(root))


def _rules(path: Path) -> list[Rule]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        raise MlopsError(
            f"{path}: wanted the list of what images hold, got no file; "
            "work from a checkout of the project, or in one of its images"
        ) from None
    written = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    return [_rule(line.removeprefix("!").strip("/"), lets_in=line.startswith("!")) for line in written]


def _rule(pattern: str, *, lets_in: bool) -> Rule:
    literals = [re.escape(text) for text in _TOKENS.split(pattern)]
    meanings = [_MEANING.get(token, token) for token in _TOKENS.findall(pattern)]
    expression = "".join(text for pair in zip(literals, [*meanings, ""], strict=True) for text in pair)
    return Rule(pattern, lets_in, re.compile(f"(?:{expression})(?:/.*)?"))


def _below(root: Path, name: str, rules: list[Rule]) -> Iterator[str]:
    if not next((rule.lets_in for rule in reversed(rules) if rule.names.fullmatch(name)), True):
        return
    if (root / name).is_dir():
        for entry in os.scandir(root / name):
            yield from _below(root, f"{name}/{entry.name}", rules)
    elif (root / name).is_file():
        yield name
