"""Comments on a pull request through GitHub's command line; the text may come from code that nobody has reviewed."""

import json
import re
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from core.errors import MlopsError, UsageError
from mlops.report.tests_summary import summarized

LONGEST = 60_000
"""Characters; GitHub takes 65,536."""
_NOTE = "What this pull request changes, at commit {commit}. Its text was made by the pull request's own code."
_HOW_TO = "install GitHub's command line, https://cli.github.com, and log in, or set GH_TOKEN"


def written(commit: str, parts: Sequence[Path], tests: Path | None) -> str:
    """Return the comment; parts that are not there are named as missing.

    Whoever wrote the parts may have meant harm: no mention, link, picture or HTML of theirs comes out of it. Raises
    UsageError for a commit that is none.
    """
    if not re.fullmatch(r"[0-9a-f]{40}", commit):
        raise UsageError(f"--commit: wanted 40 hexadecimal digits, got {commit!r}")
    texts = [_part(path) for path in parts]
    if tests is not None:
        texts.append(summarized(tests) if tests.is_file() else f"### Tests\n\n:warning: {tests.name} is missing.")
    text = "\n\n".join([_NOTE.format(commit=commit[:12]), *texts])
    return f"{text if len(text) <= LONGEST else f'{text[:LONGEST]}... and more'}\n"


def post(repository: str, commit: str, text: str) -> int | None:
    """Write the comment on the open pull request whose newest commit it is, or replace the one that is there.

    Returns the number of the pull request; None when there is none, since it was closed or has a newer commit. Raises
    MlopsError when GitHub's command line is missing or fails.
    """
    fields = ("--json", "number,headRefOid", "--state", "open", "--limit", "500")
    listed = json.loads(_gh("pr", "list", "--repo", repository, *fields))
    numbers = [one["number"] for one in listed if one["headRefOid"] == commit]
    if not numbers:
        return None
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", suffix=".md") as file:
        file.write(text)
        file.flush()
        comment = ("--body-file", file.name, "--edit-last", "--create-if-none")
        _gh("pr", "comment", str(numbers[0]), "--repo", repository, *comment)
    return int(numbers[0])


def defused(text: str) -> str:
    """Return Markdown that mentions nobody and leads nowhere; headings, lists, tables and code stay."""
    text = "".join(one for one in text if one.isprintable() or one == "\n")
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace("](", "]\u200b(").replace("][", "]\u200b[")
    text = re.sub(r"(?m)^(\s*\[[^\]]*\]):", "\\1\u200b:", text)
    return re.sub(r"(?i)(www)\.", "\\1\u200b.", text.replace("@", "@\u200b").replace("://", ":\u200b//"))


def _part(path: Path) -> str:
    try:
        content = path.read_bytes()[: 4 * LONGEST]
    except OSError as error:
        return f":warning: {path.name} is missing: {error.strerror}."
    return defused(content.decode("utf-8", errors="replace")).strip()


def _gh(*arguments: str) -> str:
    try:
        done = subprocess.run(["gh", *arguments], capture_output=True, text=True, check=False)  # noqa: S603, S607 - a list, never a shell line; the user chooses which gh
    except OSError as error:
        raise MlopsError(f"gh cannot be started: {error.strerror}; {_HOW_TO}") from error
    if done.returncode:
        raise MlopsError(f"`gh {' '.join(arguments[:2])}` ended with {done.returncode}: {done.stderr.strip()[-500:]}")
    return done.stdout
