"""The comment on a pull request: what it says, where it goes, and what a stranger's text cannot do in it."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops.actions.pull_request import LONGEST, defused, written

COMMIT = "0123456789abcdef0123456789abcdef01234567"
GH = """#!/bin/sh
echo "$*" >>"$CALLS"
case "$*" in
  "pr list "*) echo "$OPEN" ;;
  "pr comment "*) while [ "$1" != --body-file ]; do shift; done; cat "$2" >"$POSTED" ;;
esac
exit "${GH_CODE:-0}"
"""
JUNIT = """<testsuites><testsuite name="pytest" tests="4">
<testcase classname="tests.a" name="one" time="30"/><testcase classname="tests.a" name="two" time="30"/>
<testcase classname="tests.b" name="three[@me]" time="0"><failure message="no"/></testcase>
<testcase classname="tests.b" name="four" time="0"><skipped/></testcase>
</testsuite></testsuites>"""


class Desk:
    """A folder with a stand-in of GitHub's command line."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "bin").mkdir()
        (folder / "bin" / "gh").write_text(GH)
        (folder / "bin" / "gh").chmod(0o755)

    def comment(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        opened = json.dumps([{"number": 7, "headRefOid": "f" * 40}, {"number": 9, "headRefOid": COMMIT}])
        paths = {"CALLS": str(self.folder / "calls"), "POSTED": str(self.folder / "posted"), "OPEN": opened}
        path = f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
        return subprocess.run(
            [sys.executable, "-m", "mlops.cli.main", "pull-request", "comment", *arguments],
            env={**os.environ, **paths, "PATH": path, **variables},
            cwd=Path(__file__).resolve().parents[3],
            capture_output=True,
            text=True,
            check=False,
        )

    @property
    def calls(self) -> list[str]:
        return (self.folder / "calls").read_text().splitlines()

    def write(self, name: str, text: str) -> str:
        (self.folder / name).write_text(text)
        return str(self.folder / name)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_one_comment_on_the_pull_request_with_that_commit(desk: Desk) -> None:
    part, tests = desk.write("1.md", "### Compiled pipelines\n\nNo change."), desk.write("tests.xml", JUNIT)
    done = desk.comment(part, "--tests", tests, "--repo", "o/r", "--commit", COMMIT)
    assert done.returncode == 0, done.stderr
    posted = (desk.folder / "posted").read_text()
    assert "at commit 0123456789ab" in posted
    assert "### Compiled pipelines\n\nNo change." in posted
    assert "1 failed, 2 passed, 1 skipped; 1.0 minutes" in posted
    assert "tests.b.three\\[@\u200bme\\]" in posted
    listed, commented = desk.calls
    assert listed.startswith("pr list --repo o/r")
    assert commented.startswith("pr comment 9 --repo o/r")
    assert commented.endswith("--edit-last --create-if-none")


def test_a_commit_that_is_nobodys_newest_is_not_commented_on(desk: Desk) -> None:
    done = desk.comment(desk.write("1.md", "x"), "--repo", "o/r", "--commit", "a" * 40)
    assert done.returncode == 0
    assert "nothing to comment on" in done.stdout
    assert len(desk.calls) == 1


def test_parts_that_were_not_handed_over_are_named(desk: Desk) -> None:
    text = written(COMMIT, [desk.folder / "2-quality.md"], desk.folder / "tests.xml")
    assert "2-quality.md is missing" in text
    assert "tests.xml is missing" in text


@pytest.mark.parametrize(
    ("arguments", "variables", "code", "message"),
    [
        (("--commit", "main; true", "--dry-run"), {}, 2, "--commit: wanted 40 hexadecimal digits"),
        (("--commit", COMMIT), {}, 2, "--repo: wanted OWNER/NAME"),
        (("--commit", COMMIT, "--repo", "o/r"), {"GH_CODE": "4"}, 1, "`gh pr list` ended with 4"),
        (("--commit", COMMIT, "--repo", "o/r"), {"PATH": "/nowhere"}, 1, "gh cannot be started"),
    ],
)
def test_what_cannot_be_done_is_said(
    desk: Desk, arguments: tuple[str, ...], variables: dict[str, str], code: int, message: str
) -> None:
    done = desk.comment(*arguments, **variables)
    assert done.returncode == code
    assert message in done.stderr


LIVE = re.compile(
    r"@\w|<[a-zA-Z!/]|\]\(|\]\[|://|(?i:www)\.|(?m:^\s*\[[^\]]*\]:)|[\x00-\x09\x0b-\x1f\u202a-\u202e\u2066-\u2069]"
)


@given(st.text(alphabet=st.sampled_from(list("@<>[]()!:/w.WwA&#x;`|*_-\n \t\r\x00\u202e")), max_size=60))
def test_no_text_of_a_stranger_mentions_links_or_embeds(text: str) -> None:
    assert not LIVE.search(defused(text))


@pytest.mark.parametrize(
    "text",
    [
        "@everyone",
        "[x](http://y)",
        "![x][y]\n\n[y]: z",
        "<img src=x>",
        "http://x.y",
        "www.x.y",
        "&lt;a&gt;",
        "\u202eabc",
    ],
)
def test_known_tricks_are_harmless(text: str) -> None:
    assert not LIVE.search(defused(text))
    assert "&lt;a" not in defused("&lt;a&gt;"), "an escaped tag stays a text of an escaped tag"


def test_a_text_without_end_is_cut(desk: Desk) -> None:
    text = written(COMMIT, [Path(desk.write("1.md", "ab " * LONGEST))], None)
    assert len(text) < LONGEST + 100
    assert text.endswith("... and more\n")
