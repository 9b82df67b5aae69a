"""`mlops tune`: searches hyperparameters, and shows each trial as it ends."""

import sys
from typing import TYPE_CHECKING, Any

import click

from core.store import Store
from mlops.cli.at import ChosenWorld, at_world, span_option
from mlops.cli.experiments.switched import no_cache_option, set_option

if TYPE_CHECKING:
    from artifacts.tuning.tuning import TrialResult, Tuning

_SHOWN = 8
"""Trials in the table, the best ones."""
_WIDTH = 160
"""Columns of the table where the output is no terminal."""


@click.command()
@click.argument("usecase")
@at_world()
@set_option
@span_option
@no_cache_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def tune(
    store: Store,
    *,
    usecase: str,
    chosen: ChosenWorld,
    changes: tuple[str, ...],
    span: str | None,
    no_cache: bool,
    as_json: bool,
) -> None:
    """Search the hyperparameters of USECASE as its section `tune_model` says, and compare the best with the default.

    --set changes the section, or stands in its place: --set "space.dropout={min: 0.1, max: 0.7}". Nothing is trained
    for production. Returns 3 when the decision fails, as for a best point on the bound of its range; that the default
    stays is no failure.
    """
    from mlops.actions.experiments.switched_on import switched_on
    from mlops.actions.experiments.tuned import TrialLines, find_tuning
    from mlops.cli.ended import print_outcome
    from mlops.cli.main import print_json
    from mlops.runs.record import State
    from mlops.worlds.finished import follow_to_end
    from mlops.worlds.progress import shown
    from mlops.worlds.world import RunRequest
    from pipelines.config import find, load

    loaded = load(find(usecase))
    wanted = changes if loaded.has("tune_model") else ("method=halving", *changes)
    request = RunRequest(switched_on(loaded, "tune_model", wanted), "tuning", span, cache=not no_cache)
    with chosen.open(store) as world:
        run_id = world.submit(request).run_id
        with shown(quiet=as_json) as watcher, TrialLines(watcher) as lines:
            outcome, report = follow_to_end(world, run_id, lines)
    found = find_tuning(store, run_id) if outcome.state is State.SUCCEEDED else None
    if as_json:
        print_json(outcome.as_json(report) | {"tuning": found.model_dump(mode="json") if found else None})
        sys.exit(outcome.exit_code)
    if found is not None:
        _print_table(found)
    print_outcome(outcome, report, as_json=False)
    if found is not None and found.applied:
        click.echo("\nTo use them in every training, write into config.yaml:\n")
        click.echo(_snippet(found))
    sys.exit(outcome.exit_code)


def _print_table(tuning: "Tuning") -> None:
    from rich.console import Console
    from rich.table import Table

    spans = ", ".join(map(str, tuning.spans))
    title = (
        f"{len(tuning.trials)} trials, {tuning.epochs_run} epochs: trained on {spans}, compared on {tuning.held_back}"
    )
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for heading in ("trial", *tuning.space, "epochs", tuning.skill):
        table.add_column(heading)
    for one in _best(tuning):
        mark = " *" if tuning.applied and one.number == tuning.best else ""
        values = [_shown(one.hyperparameters.get(name)) for name in tuning.space]
        skill = one.failure if one.skill is None else f"{one.skill:.4f}"
        table.add_row(f"{one.number}{mark}", *values, str(one.epochs), skill)
    default = [_shown(tuning.default.get(name)) for name in tuning.space]
    table.add_row(
        "default" + ("" if tuning.applied else " *"),
        *default,
        str(max(one.epochs for one in tuning.trials)),
        f"{tuning.default_skill:.4f}",
    )
    Console(soft_wrap=True, width=None if sys.stdout.isatty() else _WIDTH).print(table)


def _best(tuning: "Tuning") -> "list[TrialResult]":
    ended = [one for one in tuning.trials if one.skill is not None]
    return sorted(ended, key=lambda one: (-one.epochs, -(one.skill or 0.0)))[:_SHOWN]


def _shown(value: Any) -> str:
    return "-" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)


def _snippet(tuning: "Tuning") -> str:
    import yaml

    values = yaml.safe_dump({"hyperparameters": tuning.chosen}, default_flow_style=None, sort_keys=False)
    return "train_model:\n" + "".join(f"  {line}\n" for line in values.splitlines())
