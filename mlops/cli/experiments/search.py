"""`mlops search`: compares families of models for a use case."""

import sys
from typing import TYPE_CHECKING

import click

from core.store import Store
from mlops.cli.at import ChosenWorld
from mlops.cli.experiments.switched import Found, follow_and_show, switched_options

if TYPE_CHECKING:
    from artifacts.league.league import League


@click.command()
@switched_options
@click.option("--json", "as_json", is_flag=True, help="Print the table as one JSON object.")
@click.pass_obj
def search(
    store: Store,
    *,
    usecase: str,
    chosen: ChosenWorld,
    changes: tuple[str, ...],
    pipeline: str,
    span: str | None,
    no_cache: bool,
    as_json: bool,
) -> None:
    """Compare families of models for USECASE, from linear to boosted trees, and evaluate the simplest of the best.

    The section `search_model` of its config.yaml is used if there is one; --set families=[linear,deep] changes it.
    """
    from artifacts.league.league import League
    from mlops.actions.experiments.switched_on import switched_on
    from mlops.worlds.world import RunRequest
    from pipelines.config import find, load

    loaded = load(find(usecase))
    wanted = changes if loaded.has("search_model") else ("families=every", *changes)
    request = RunRequest(switched_on(loaded, "search_model", wanted), pipeline, span, cache=not no_cache)
    found = Found("search_model", "league", League.read, _print)
    follow_and_show(store, chosen, request, found, as_json=as_json)


def _print(league: "League") -> None:
    from rich.console import Console
    from rich.table import Table

    title = f"span {league.held_out_span}, {league.held_out_rows:,} rows"
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    headings = (league.skill, f"behind {league.best}", "parameters", "KB", "a row, µs", "seconds")
    for heading in ("family", "", *headings):
        table.add_column(heading)
    for entry in league.entries:
        state = "chosen" if entry.name == league.chosen else "within the noise" if entry.is_within_noise else "worse"
        behind = f"{entry.behind:.4f} [{entry.behind_at_least:.4f}, {entry.behind_at_most:.4f}]"
        cost = entry.footprint
        table.add_row(
            entry.name,
            state,
            f"{entry.skill:.4f}",
            behind if entry.name != league.best else "",
            f"{cost.parameters:,}",
            f"{cost.bytes / 1000:,.0f}",
            f"{cost.row_us:,.0f}",
            f"{entry.seconds:.1f}",
        )
    console = Console(soft_wrap=True, width=None if sys.stdout.isatty() else 140)
    console.print(table)
    for name, why in league.left_out.items():
        console.print(f"{name} was left out: {why}")
