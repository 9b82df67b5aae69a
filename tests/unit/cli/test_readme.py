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
    ROOT / "README.zh-TW.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "docs" / "days").glob("*.md")),
    *sorted((ROOT / "usecases").rglob("README.md")),
    ROOT / "CONTRIBUTING.md",
    *sorted((ROOT / "infra").rglob("README.md")),
    ROOT / "kustomize" / "README.md",
    ROOT / "benchmarks" / "README.md",
]


def _without_variables(text: str) -> str:
    """Return a page's text as a shell would have it, with the values that variables have unless they are set."""
    return re.sub(r"\$\{\w+:-(\w+)\}", r"\1", text)


SHOWN = sorted(
    {
        (page.relative_to(ROOT).as_posix(), line)
        for page in PAGES
        for line in re.findall(r"(?m)^(?:mlops|make) [^#\n|`>&]+", _without_variables(page.read_text(encoding="utf-8")))
    }
)


TARGETS = re.findall(r"(?m)^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"))


def _misunderstood(line: str) -> str:
    """Return what is wrong with a shown command; "" when the program takes it."""
    program, *arguments = shlex.split(line)
    if program == "make":
        unknown = [word for word in arguments if "=" not in word and word not in TARGETS]
        return f"no target {unknown}" if unknown else ""
    command: click.Command = cli
    try:
        while isinstance(command, click.Group):
            found = command.get_command(click.Context(command), arguments.pop(0))
            if found is None:
                return "no such verb"
            command = found
        command.make_context(command.name, arguments)
    except click.BadParameter as error:
        return "" if "$" in line and "does not exist" in error.message else error.message
    except (click.ClickException, IndexError) as error:
        return str(error)
    return ""


def test_shown_commands_are_understood() -> None:
    assert len(SHOWN) > 300
    assert not [(page, line, why) for page, line in SHOWN if (why := _misunderstood(line))]


MENTIONED = sorted(
    {
        (page.relative_to(ROOT).as_posix(), span)
        for page in PAGES
        for span in re.findall(r"`(mlops [a-z][^`\n]*)`", page.read_text(encoding="utf-8"))
    }
)


def _unknown(span: str) -> set[str]:
    """Return the verbs and options that the program lacks; `a|b` and `a, b` are several verbs.

    Arguments do not count: a sentence may leave them out.
    """
    _, *words = span.replace("[", " ").replace("]", " ").split()
    commands: list[click.Command] = [cli]
    while words and isinstance(commands[0], click.Group) and re.fullmatch(r"[a-z-]+(\|[a-z-]+)*", words[0]):
        group, names = commands[0], words.pop(0).split("|")
        found = [group.get_command(click.Context(group), name) for name in names]
        if not all(found):
            return {name for name, command in zip(names, found, strict=True) if command is None}
        commands = [one for one in found if one is not None]
    known = {name for command in commands for one in command.params for name in (*one.opts, *one.secondary_opts)}
    options = {word.partition("=")[0].rstrip(",;.") for word in words if re.match(r"--[a-z]", word)}
    return options - known - {"--help"}


def test_commands_in_sentences_have_verbs_and_options_of_the_program() -> None:
    assert len(MENTIONED) > 100
    wrong = []
    for page, span in MENTIONED:
        try:
            unknown = _unknown(span)
        except click.UsageError as error:
            unknown = {error.message}
        if unknown:
            wrong.append((page, span, unknown))
    assert not wrong


def test_an_empty_project_is_less_than_ten_commands_from_a_model_in_production() -> None:
    text = (ROOT / "docs" / "vertex.md").read_text(encoding="utf-8")
    [block] = re.findall(r"## From an empty project.*?```\n(.*?)```", text, re.DOTALL)
    commands = block.strip().splitlines()
    assert 0 < len(commands) < 10
    assert all(re.match(r"(mlops|make|export) ", command) for command in commands)


@pytest.mark.parametrize("page", ["README.md", "README.zh-TW.md"])
def test_the_first_two_commands_are_the_promise(page: str) -> None:
    block = re.findall(r"```bash\n(.*?)```", (ROOT / page).read_text(encoding="utf-8"), re.DOTALL)[0]
    assert [line.split("#")[0].strip() for line in block.strip().splitlines()] == ["make run", "make test"]


def test_every_link_leads_somewhere() -> None:
    links = {
        page: re.findall(r"\]\((?!http|#)([^)#\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")) for page in PAGES
    }
    assert links[ROOT / "README.md"]
    lost = [(page, link) for page in PAGES for link in links[page] if not (page.parent / link).exists()]
    assert not lost


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
