"""`mlops distill`: trains a small model of a use case on a better one's predictions."""

import sys
from typing import TYPE_CHECKING

import click

from core.store import Store
from mlops.cli.at import ChosenWorld
from mlops.cli.experiments.switched import Found, follow_and_show, switched_options

if TYPE_CHECKING:
    from artifacts.distillation.distillation import Distillation


@click.command()
@switched_options
@click.option("--json", "as_json", is_flag=True, help="Print the comparison as one JSON object.")
@click.pass_obj
def distill(
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
    """Train a small model of USECASE on a better one's predictions, and evaluate it, or what beats it.

    The section `distill_model` of its config.yaml is used if there is one; else at least the student is needed, such as
    --set "student.hyperparameters={hidden_units: [8], embedding: 1}".
    """
    from artifacts.distillation.distillation import Distillation
    from mlops.actions.experiments.switched_on import switched_on
    from mlops.worlds.world import RunRequest
    from pipelines.config import find, load

    request = RunRequest(switched_on(load(find(usecase)), "distill_model", changes), pipeline, span, cache=not no_cache)
    found = Found("distill_model", "distillation", Distillation.read, _print)
    follow_and_show(store, chosen, request, found, as_json=as_json)


def _print(found: "Distillation") -> None:
    from rich.console import Console
    from rich.table import Table

    title = f"span {found.held_out_span}, {found.held_out_rows:,} rows"
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for heading in ("model", found.skill, "spread", "parameters", "KB", "a row, µs", "seconds"):
        table.add_column(heading)
    for one in found.learners:
        times, cost = found.members if one.name == "teacher" else 1, one.footprint
        table.add_row(
            one.name + (" *" if one.name == found.passed else ""),
            f"{one.skill:.4f}",
            f"{one.spread:.4f}" if len(one.skills) > 1 else "",
            f"{cost.parameters * times:,}",
            f"{cost.bytes * times / 1000:,.0f}",
            f"{cost.row_us * times:,.0f}",
            f"{one.seconds:.1f}",
        )
    console = Console(soft_wrap=True, width=None if sys.stdout.isatty() else 140)
    console.print(table)
    console.print(
        f"gain over scratch {found.gain:+.4f} [{found.gain_at_least:+.4f}, {found.gain_at_most:+.4f}]: "
        f"{found.passed} goes on"
    )
