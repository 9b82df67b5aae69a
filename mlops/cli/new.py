"""`mlops new`: writes the folder of a new use case from a file of rows."""

from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

import click

from core.store import Store

if TYPE_CHECKING:
    from core.problem import Task
    from mlops.actions.new_usecase.folder import NewUseCase

TASKS = ("binary_classification", "multiclass_classification", "regression")


@click.group()
def new() -> None:
    """Write the folder of a new use case from your data."""


@new.command()
@click.argument("name")
@click.option("--from", "source", required=True, type=click.Path(path_type=Path), help="A CSV or Parquet file of rows.")
@click.option("--label", required=True, help="The column to predict.")
@click.option("--to", "folder", type=click.Path(path_type=Path), help="The folder to write; default: usecases/NAME.")
@click.option("--task", type=click.Choice(TASKS), help="The kind of problem; default: guessed from the label.")
@click.option("--delimiter", help="The delimiter of a CSV file; default: guessed from its header.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def usecase(
    store: Store,
    *,
    name: str,
    source: Path,
    label: str,
    folder: Path | None,
    task: "Task | None",
    delimiter: str | None,
    as_json: bool,
) -> None:
    """Write a folder for the use case NAME that can be run at once; nothing is overwritten."""
    from datetime import UTC, datetime

    from core.errors import UsageError
    from mlops.actions.new_usecase.folder import NewUseCaseRequest, create
    from mlops.cli.main import print_json
    from pipelines.config import USECASES

    if delimiter is not None and len(delimiter.replace("\\t", "\t")) != 1:
        raise UsageError(f"--delimiter: wanted one character, or \\t for a tab, got {delimiter!r}")
    target = (folder or USECASES / name).expanduser().absolute()
    separator = delimiter.replace("\\t", "\t") if delimiter else None
    request = NewUseCaseRequest(name, source.expanduser(), label, target, datetime.now(UTC).date(), task, separator)
    made = create(request, store)
    run = f"mlops run {name if folder is None else quote(str(target))}"
    if as_json:
        print_json(_facts(made, run))
        return
    _print(made, run)


def _facts(made: "NewUseCase", run: str) -> dict[str, Any]:
    features = made.features
    return {
        "folder": str(made.folder),
        "data": str(made.data),
        "rows": made.table.rows,
        "task": made.label.task,
        "because": made.label.why,
        "positive": made.label.positive or None,
        "numbers": features.numbers,
        "categories": features.categories,
        "texts": features.texts,
        "times": made.columns.times,
        "left_out": made.columns.left_out,
        "leaks": made.columns.leaks,
        "next": run,
    }


def _print(made: "NewUseCase", run: str) -> None:
    label, features = made.label, made.features
    click.echo(f"{made.folder}: config.yaml, schema.pbtxt, module.py, README.md")
    click.echo(f"data       {made.table.rows} rows, copied to {made.data}")
    positive = f"; the positive class is {label.positive!r}" if label.positive else ""
    click.echo(f"label      {label.name}: {label.task} ({label.why}{positive}); --task sets another task")
    for kind, names in (("numbers", features.numbers), ("categories", features.categories), ("texts", features.texts)):
        if names:
            click.echo(f"{kind:<10} {', '.join(names)}")
    for column, reason in made.columns.left_out.items():
        click.secho(f"left out   {column}: {reason}", fg="yellow" if column in made.columns.leaks else None)
    click.echo(f"next       {run}")
