"""`mlops distill`: trains a small model of a use case on a better one's predictions."""

import sys
from typing import TYPE_CHECKING

import click

from core.store import Store
from mlops.cli.at import ChosenWorld, at_world, span_option

if TYPE_CHECKING:
    from artifacts.distillation.distillation import Distillation


@click.command()
@click.argument("usecase")
@at_world()
@click.option("--set", "changes", multiple=True, metavar="KEY=VALUE", help="A key of the section, in YAML; repeatable.")
@click.option("--pipeline", default="level0", show_default=True, help="Which pipeline; level0 pushes nothing.")
@span_option
@click.option("--no-cache", is_flag=True, help="Ignore cached results.")
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
    from mlops.actions.experiments.switched_on import made_by, switched_on
    from mlops.cli.ended import print_outcome
    from mlops.cli.main import print_json
    from mlops.worlds.finished import follow_to_end
    from mlops.worlds.progress import shown
    from mlops.worlds.world import RunRequest
    from pipelines.config import find, load

    request = RunRequest(switched_on(load(find(usecase)), "distill_model", changes), pipeline, span, cache=not no_cache)
    with chosen.open(store) as world, shown(quiet=as_json) as watcher:
        run_id = world.submit(request).run_id
        outcome, report = follow_to_end(world, run_id, watcher)
    if outcome.failed is None:
        found = Distillation.read(made_by(store, run_id, "distill_model", "distillation"))
        if as_json:
            print_json(found.model_dump(mode="json") | {"run_id": run_id, "report": str(report)})
        else:
            _print(found)
    if not as_json or outcome.failed is not None:
        print_outcome(outcome, report, as_json=as_json)
    sys.exit(outcome.exit_code)


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
