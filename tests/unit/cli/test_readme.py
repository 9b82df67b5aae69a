"""Every command that a page shows is one that the program takes; tests/e2e runs the road they describe."""

import re
import shlex
from pathlib import Path

import click
import pytest

from mlops.cli.main import cli
from mlops.cluster import settings
from mlops.cluster.images import builds
from mlops.worlds.kfp_schedule import HANDLER, PASSED_ON

ROOT = Path(__file__).resolve().parents[3]
PAGES = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "usecases").rglob("README.md")),
    ROOT / "CONTRIBUTING.md",
    ROOT / "infra" / "README.md",
]
SHOWN = sorted(
    {
        (page.relative_to(ROOT).as_posix(), line)
        for page in PAGES
        for line in re.findall(r"(?m)^(?:mlops|make) [^#\n|`]+", page.read_text(encoding="utf-8"))
    }
)


@pytest.mark.parametrize(("page", "line"), SHOWN)
def test_a_shown_command_is_understood(page: str, line: str) -> None:
    program, *arguments = shlex.split(line)
    if program == "make":
        targets = re.findall(r"(?m)^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"))
        assert all(word in targets for word in arguments if "=" not in word), page
        return
    command: click.Command = cli
    while isinstance(command, click.Group):
        found = command.get_command(click.Context(command), arguments.pop(0))
        assert found is not None, page
        command = found
    command.make_context(command.name, arguments)


def test_the_first_two_commands_are_the_promise() -> None:
    block = re.findall(r"```bash\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)[0]
    assert [line.split("#")[0].strip() for line in block.strip().splitlines()] == ["make run", "make test"]


def test_every_link_of_the_front_page_leads_somewhere() -> None:
    links = re.findall(r"\]\((?!http)([^)#]+)\)", (ROOT / "README.md").read_text(encoding="utf-8"))
    assert links
    assert not [link for link in links if not (ROOT / link).exists()]


def test_every_setting_of_a_cluster_stands_on_its_page() -> None:
    page = (ROOT / "docs" / "kubernetes.md").read_text(encoding="utf-8")
    named = {variable.name for variable in (*settings.VARIABLES, *builds.VARIABLES)} | {
        *PASSED_ON,
        HANDLER,
        "KFP_ENDPOINT",
        "MLOPS_KFP_METADATA",
        "MLOPS_STORE",
    }
    rows = dict(re.findall(r"(?m)^\| `([A-Z_]+)` \| `?([^|`]*)`? \|", page))
    assert rows.keys() == named
    defaults = {variable.name: variable.default for variable in (*settings.VARIABLES, *builds.VARIABLES)}
    assert {name: rows[name].strip() for name in defaults} == defaults
