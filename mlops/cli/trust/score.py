"""`mlops score`: the ML Test Score of a use case, each verdict from evidence."""

import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING

import click

from core.store import Store

if TYPE_CHECKING:
    from mlops.actions.scoring.rows import Result, Score

_COLORS = {1.0: "green", 0.5: "yellow", 0.0: "red"}


@click.command()
@click.argument("usecase", default="flight_delay")
@click.option("--row", "ids", multiple=True, metavar="ID", help="Only this row, such as D2; repeatable.")
@click.option("--measure/--no-measure", default=True, help="Whether to measure what is missing; it takes minutes.")
@click.option("--at-least", type=click.FloatRange(0, 7), help="Return 3 when the score is below this.")
@click.option("--badge", type=click.Path(path_type=Path, dir_okay=False), help="Write the score as an SVG.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def score(
    store: Store,
    *,
    usecase: str,
    ids: tuple[str, ...],
    measure: bool,
    at_least: float | None,
    badge: Path | None,
    as_json: bool,
) -> None:
    """Score USECASE by the 28 tests of the ML Test Score, and write a page.

    A row has 1 point when its checks ran by themselves and passed, 0.5 for what is documented and done by hand, else 0.
    The score is that of the worst of the four sections. It is about the model in production: mlops run USECASE.
    """
    from core.errors import UsageError
    from mlops.actions.scoring import scoring
    from mlops.actions.scoring.badge import badge as drawn
    from mlops.actions.scoring.subject import Subject
    from mlops.cli.main import print_json
    from pipelines.config import find, load

    if ids and (badge is not None or at_least is not None):
        raise UsageError("a score needs every row: leave out --row, or --badge and --at-least")
    rows = scoring.chosen_rows(ids)
    subject = Subject.of(load(find(usecase)), store)
    with redirect_stdout(sys.stderr):  # what gates, libraries and the use case print is no part of the answer
        found = scoring.score(subject, rows, lambda line: click.secho(line, dim=True, err=True), measure=measure)
    page = scoring.write_page(subject, found) if not ids else None
    if badge is not None:
        _write(badge, drawn(found.final))
    if as_json:
        print_json(scoring.as_json(subject, found) | ({"page": str(page)} if page else {}))
    else:
        _print(found, whole=not ids)
        if page is not None:
            click.echo(f"page    {page}")
    if at_least is not None and found.final < at_least:
        raise click.exceptions.Exit(3)


def _write(path: Path, text: str) -> None:
    from core import durable

    path.parent.mkdir(parents=True, exist_ok=True)
    durable.replace(path, text.encode())


def _print(found: "Score", *, whole: bool) -> None:
    from mlops.actions.scoring.rows import Section

    for section in Section:
        results = [result for result in found.results if result.row.section is section]
        if not results:
            continue
        points = f"{found.points(section):g} of 7" if whole else ""
        click.secho(f"\n{section.value}  {points}", bold=True)
        for result in results:
            _print_row(result)
    if whole:
        click.secho(f"\nscore   {found.final:g} of 7: {found.band}", bold=True)


def _print_row(result: "Result") -> None:
    mark = click.style(f"{result.verdict:>4g}", fg=_COLORS[result.verdict])
    simulated = " (simulated)" if result.row.simulated else ""
    click.echo(f"{mark}  {result.row.id:<5}{result.row.title}{simulated}")
    if result.verdict < 1:
        click.echo(f"           {result.why}")
        click.secho(f"           next: {result.raised_by}", dim=True)
