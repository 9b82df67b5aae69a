"""`mlops learn`: lists the thirty days, and runs one with its explanation."""

import sys
from typing import TYPE_CHECKING

import click

from core.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlops.actions.learning.page import Block, Page
    from mlops.actions.learning.walk import Ended


@click.command()
@click.argument("day", type=click.IntRange(1, 30), required=False)
@click.option(
    "--language",
    envvar="LANG",
    default="en",
    metavar="LANGUAGE",
    help="en or zh-TW; default: that of LANG.",
)
@click.option("--read", "only_read", is_flag=True, help="Show the page, and run nothing.")
@click.option("--quick", is_flag=True, help="Skip what takes longer than some seconds.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def learn(store: Store, *, day: int | None, language: str, only_read: bool, quick: bool, as_json: bool) -> None:
    """List the thirty days, or run the commands of DAY with their explanation.

    Commands run in a store of their own, learn/ inside the store. Returns 1 when a command ends or prints otherwise
    than the page shows.
    """
    from mlops.actions.learning.page import CHINESE, ENGLISH, find_page

    chosen = CHINESE if language.replace("_", "-").startswith(CHINESE) else ENGLISH
    if day is None:
        _list(store, chosen, as_json=as_json)
        return
    page = find_page(day, chosen)
    if only_read:
        _show_page(page, as_json=as_json)
        return
    sys.exit(_walk(store, page, quick=quick, as_json=as_json))


def _list(store: Store, language: str, *, as_json: bool) -> None:
    from rich.console import Console
    from rich.table import Table

    from mlops.actions.learning.page import find_pages
    from mlops.actions.learning.progress import read_progress
    from mlops.cli.main import print_json

    days = read_progress(store).days
    pages = find_pages(language)
    if as_json:
        last = {day: walked.model_dump() for day, walked in days.items()}
        print_json([{"day": page.number, "title": page.title, "last": last.get(page.number)} for page in pages])
        return
    table = Table(box=None, pad_edge=False)
    for heading in ("day", "title", "last run", "result"):
        table.add_column(heading)
    for page in pages:
        walked = days.get(page.number)
        when, result = (walked.time, walked.result) if walked else ("-", "-")
        table.add_row(f"{page.number:02}", page.title, when, result)
    Console(soft_wrap=True).print(table)
    following = next((page.number for page in pages if page.number not in days), 1)
    click.echo(f"\nRun one with its explanation: mlops learn {following}")


def _show_page(page: "Page", *, as_json: bool) -> None:
    from mlops.actions.learning.page import Block
    from mlops.cli.main import print_json

    if as_json:
        commands = [step.block.code for step in page.steps]
        print_json({"day": page.number, "title": page.title, "path": str(page.path), "commands": commands})
        return
    _heading(page)
    for part in page.parts:
        if isinstance(part, Block):
            _show_code(part)
        else:
            _show_text(part)


def _walk(store: Store, page: "Page", *, quick: bool, as_json: bool) -> int:
    """Run the commands of a page, and write down how that ended; returns the exit code."""
    from mlops.actions.learning.progress import home_of, remember, walked
    from mlops.actions.learning.walk import Surroundings, walk
    from mlops.cli.main import print_json

    surroundings = Surroundings(home_of(store), skip_long=quick)
    steps = walk(page, surroundings, _ignore if as_json else _show_line)
    ended = list(steps) if as_json else list(_explained(page, steps))
    last = walked(ended)
    remember(store, page.number, last)
    problems = [problem for one in ended for problem in one.problems]
    if as_json:
        print_json({"day": page.number, **last.model_dump(), "problems": problems})
    else:
        click.secho(
            f"\nDay {page.number}: {last.result}, {last.seconds:g} s", fg="red" if problems else "green", bold=True
        )
    return 1 if problems else 0


def _explained(page: "Page", steps: "Iterator[Ended]") -> "Iterator[Ended]":
    """Show a page from the top, and run each block of commands where it stands, up to the first that has problems."""
    from mlops.actions.learning.page import Block

    _heading(page)
    ended = None
    for part in page.parts:
        if not isinstance(part, Block):
            _show_text(part)
            continue
        _show_code(part)
        if part.language != "bash":
            if part.language == "text" and ended is not None and not ended.skipped:
                click.secho(f"    printed above, with numbers within {part.tolerance:.0%}", fg="green")
            continue
        ended = next(steps)
        yield ended
        if ended.skipped:
            click.secho("    skipped: it takes longer than some seconds", fg="yellow")
        for problem in ended.problems:
            click.secho(problem, fg="red")
        if ended.problems:
            return


def _heading(page: "Page") -> None:
    click.secho(f"\nDay {page.number:02}: {page.title}", bold=True)


def _show_text(text: str) -> None:
    from rich.console import Console
    from rich.markdown import Markdown

    click.echo()
    Console().print(Markdown(text))


def _show_code(block: "Block") -> None:
    sign = "$ " if block.language == "bash" else "| "
    click.secho("\n" + "\n".join(f"  {sign}{line}" for line in block.code.splitlines()), fg="cyan")


def _show_line(line: str) -> None:
    click.echo(f"    {line}")


def _ignore(line: str) -> None:
    """Show nothing."""
