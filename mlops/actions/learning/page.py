"""A page of `docs/days`: texts, commands, and what the commands print."""

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from core.errors import UsageError
from core.user_code import ROOT

DAYS = ROOT / "docs" / "days"
ENGLISH = "en"
CHINESE = "zh-TW"
LANGUAGES = (ENGLISH, CHINESE)
TOLERANCE = 0.05
"""Relative difference that a number may have from the one on the page, unless its block says otherwise."""

_NAME = re.compile(r"(?P<number>\d{2})-(?P<slug>[a-z0-9-]+?)(?P<chinese>\.zh-TW)?\.md")
_TITLES = {ENGLISH: re.compile(r"# Day (\d{2}): (.+)"), CHINESE: re.compile(r"# 第 (\d{2}) 天[:：](.+)")}
_FENCE = re.compile(r"```(\w*)(.*)")
_WORDS = {"bash": re.compile(r"nightly|fails"), "text": re.compile(r"tolerance=\d+(\.\d+)?")}


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    language: str
    words: tuple[str, ...]
    """What follows the language on the fence."""
    code: str
    line: int
    """Of the fence, from 1."""

    @property
    def is_long(self) -> bool:
        """Whether it takes too long for every test run."""
        return "nightly" in self.words

    @property
    def must_fail(self) -> bool:
        """Whether its last command has to fail, as where a gate stops a fault."""
        return "fails" in self.words

    @property
    def tolerance(self) -> float:
        """Relative difference that numbers of the output may have from those of the block."""
        values = [word.partition("=")[2] for word in self.words if word.startswith("tolerance=")]
        return float(values[0]) if values else TOLERANCE


class Step(NamedTuple):
    """A block of commands, and what the page shows of their output."""

    block: Block
    shown: tuple[Block, ...]


@dataclass(frozen=True)
class Page:
    """One day in one language."""

    path: Path
    number: int
    slug: str
    language: str
    title: str
    parts: tuple[str | Block, ...]
    """Texts and blocks in their order."""

    @cached_property
    def steps(self) -> tuple[Step, ...]:
        """The commands, each block with the outputs that follow it; a `text` before all commands is a drawing."""
        steps: list[Step] = []
        for block in self.parts:
            if isinstance(block, str):
                continue
            if block.language == "bash":
                steps.append(Step(block, ()))
            elif block.language == "text" and steps:
                steps[-1] = Step(steps[-1].block, (*steps[-1].shown, block))
        return tuple(steps)

    @property
    def headings(self) -> tuple[str, ...]:
        """The headings of the second level."""
        return tuple(heading for part in self.parts if isinstance(part, str) for heading in _headings(part))


def _headings(text: str) -> list[str]:
    return re.findall(r"(?m)^## (.+)$", text)


def find_pages(language: str = ENGLISH, folder: Path | None = None) -> list[Page]:
    """Read all pages of a language, by number; UsageError where there is none or one is malformed."""
    folder = folder or DAYS
    if not folder.is_dir():
        raise UsageError(f"{folder}: not found; the pages lie in a checkout of this project, not in its package")
    pages = [read_page(path) for path in sorted(folder.glob("[0-9][0-9]-*.md"))]
    return [page for page in pages if page.language == language]


def find_page(number: int, language: str = ENGLISH, folder: Path | None = None) -> Page:
    """Read the page of a day; UsageError when there is none."""
    for page in find_pages(language, folder):
        if page.number == number:
            return page
    raise UsageError(f"{folder or DAYS}: no page of day {number} in {language}; `mlops learn` lists what there is")


def read_page(path: Path) -> Page:
    """Read a page; UsageError names file and line of what is malformed."""
    name = _NAME.fullmatch(path.name)
    if name is None:
        raise UsageError(f"{path}: wanted a name such as 14-validation.md or 14-validation.zh-TW.md")
    language = CHINESE if name["chinese"] else ENGLISH
    lines = path.read_text(encoding="utf-8").splitlines()
    title = _TITLES[language].fullmatch(lines[0]) if lines else None
    if title is None or title[1] != name["number"]:
        raise UsageError(f"{path}:1: wanted a title of day {name['number']}, got {lines[:1]}; see {DAYS}/README.md")
    parts = tuple(_parts(path, lines[1:]))
    return Page(path, int(name["number"]), name["slug"], language, title[2].strip(), parts)


def _parts(path: Path, lines: list[str]) -> list[str | Block]:
    """Take texts and blocks apart; the first line given is the second of the file."""
    parts: list[str | Block] = []
    text: list[str] = []
    rest = iter(enumerate(lines, start=2))
    for number, line in rest:
        fence = _FENCE.fullmatch(line)
        if fence is None:
            text.append(line)
            continue
        parts.append("\n".join(text).strip())
        text = []
        parts.append(_block(path, number, fence, rest))
    return [part for part in (*parts, "\n".join(text).strip()) if part]


def _block(path: Path, start: int, fence: "re.Match[str]", rest: "enumerate[str]") -> Block:
    """Read a block up to its closing fence."""
    language, words = fence[1], tuple(fence[2].split())
    known = _WORDS.get(language)
    for word in words if known else ():
        if known is not None and known.fullmatch(word) is None:
            raise UsageError(f"{path}:{start}: {word!r} after ```{language}: wanted {known.pattern}")
    code: list[str] = []
    for _, line in rest:
        if line == "```":
            return Block(language, words, "\n".join(code), start)
        code.append(line)
    raise UsageError(f"{path}:{start}: this block has no closing ```")
