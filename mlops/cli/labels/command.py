"""`mlops label`: what people label next, the files of labeling tools, and a page to label in."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from core.store import Store
from mlops.cli.at import span_option

if TYPE_CHECKING:
    from mlops.actions.labeling.rows import Rows

_STRATEGIES = ("margin", "entropy", "committee", "random")
_TOOLS = ("label-studio", "doccano", "prodigy")
strategy_option = click.option(
    "--strategy",
    type=click.Choice(_STRATEGIES),
    default="margin",
    show_default=True,
    help="How rows are chosen: those of which a quick model is least sure, or at random.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


@click.group()
def label() -> None:
    """Label rows with people: queue, export, import, serve."""


@label.command()
@click.argument("usecase")
@strategy_option
@click.option("--count", type=click.IntRange(1, 100_000), default=100, show_default=True, help="Rows to queue.")
@click.option("--overlap", type=click.IntRange(1, 20), default=1, show_default=True, help="Annotators for each row.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of ties, bootstrap samples and random rows.")
@click.option("--relabel", is_flag=True, help="Queue rows with a label in the source, too, and do not learn from it.")
@span_option
@json_option
@click.pass_obj
def queue(store: Store, /, *, usecase: str, span: str | None, as_json: bool, **options: Any) -> None:
    """Choose the rows of USECASE to label next, from the split train only."""
    from mlops.actions.labeling.queue import QueueOptions, make_queue
    from mlops.cli.main import print_json

    made = make_queue(store, _rows(store, usecase, span), QueueOptions(**options))
    path = made.write(store)
    if as_json:
        print_json({"usecase": made.usecase, "queue": str(path), "keys": [row.key for row in made.rows]})
        return
    click.echo(f"{len(made.rows)} rows in {path}")
    click.echo(f"next: mlops label serve {usecase} --annotator NAME, or mlops label export {usecase}")


@label.command()
@click.argument("usecase")
@click.option("--format", "tool", type=click.Choice(_TOOLS), default="label-studio", show_default=True)
@click.option("--output", type=click.Path(path_type=Path), required=True, help="The file to write.")
@span_option
@click.pass_obj
def export(store: Store, /, *, usecase: str, tool: str, output: Path, span: str | None) -> None:
    """Write the queue of USECASE, with suggestions and labels, as a file of a labeling tool."""
    from artifacts.labels.files import folder_of, labels
    from core import durable
    from mlops.actions.labeling.exchange import exported
    from mlops.actions.labeling.formats import format_of
    from mlops.actions.labeling.queue import Queue

    rows = _rows(store, usecase, span)
    project = exported(Queue.read(store, rows), list(labels(folder_of(store.root, rows.usecase))))
    durable.replace(output, format_of(tool).dump(project).encode())
    click.echo(f"{len(project.tasks)} tasks in {output}")


@label.command("import")
@click.argument("usecase")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--format", "tool", type=click.Choice(_TOOLS), default="label-studio", show_default=True)
@click.option("--annotator", default="", help="Who labeled, where the file does not say.")
@click.option("--until", default="", metavar="RFC3339", help="A label that is newer is an error; default: now.")
@span_option
@json_option
@click.pass_obj
def import_(store: Store, /, *, usecase: str, file: Path, span: str | None, as_json: bool, **options: str) -> None:
    """Import the labels of a labeling tool's FILE for USECASE: all of them, or none."""
    from dataclasses import asdict

    from mlops.actions.labeling.exchange import ImportOptions, import_file
    from mlops.cli.main import print_json

    tool = options.pop("tool")
    rows = _rows(store, usecase, span)
    done = import_file(store, rows, file, tool, ImportOptions.at_present(**options))
    if as_json:
        print_json(asdict(done) | {"file": None if done.file is None else str(done.file)})
        return
    click.echo(f"{done.labels} labels, {done.new} of them new" + (f", in {done.file}" if done.file else ""))


@label.command()
@click.argument("usecase")
@click.option("--annotator", required=True, help="Who labels.")
@click.option("--port", type=click.IntRange(1, 65535), default=8777, show_default=True)
@span_option
@click.pass_obj
def serve(store: Store, /, *, usecase: str, annotator: str, port: int, span: str | None) -> None:
    """Serve a page on this machine to label the queue of USECASE in."""
    import uvicorn

    from mlops.actions.labeling.queue import Queue
    from mlops.actions.labeling.server import Session, app

    session = Session(store, Queue.read(store, _rows(store, usecase, span)), annotator)
    click.echo(f"http://127.0.0.1:{port}/#{session.token}")
    uvicorn.run(app(session, port), host="127.0.0.1", port=port, log_level="warning", access_log=False)


@label.command()
@click.argument("usecase")
@strategy_option
@click.option("--count", type=click.IntRange(20, 100_000), default=300, show_default=True, help="Labels at the end.")
@click.option(
    "--step", type=click.IntRange(1, 10_000), default=20, show_default=True, help="Labels between two points."
)
@click.option("--seeds", type=click.IntRange(1, 100), default=3, show_default=True, help="Repetitions to average.")
@click.option("--output", type=click.Path(path_type=Path), help="HTML file with the picture.")
@span_option
@json_option
@click.pass_obj
def curve(
    store: Store, /, *, usecase: str, output: Path | None, span: str | None, as_json: bool, **options: Any
) -> None:
    """Measure a strategy beside random choice on the labels that USECASE's source has."""
    import html

    from core import durable
    from mlops.actions.labeling.curve import draw, known, measure
    from mlops.cli.main import print_json

    steps = range(options["step"], options["count"] + 1, options["step"])
    found = measure(known(_rows(store, usecase, span)), options["strategy"], steps, options["seeds"])
    if output is not None:
        title = f'<!DOCTYPE html><meta charset="utf-8"><title>{html.escape(usecase)}</title>'
        page = title + draw(found, f"{usecase}: labels")
        durable.replace(output, page.encode())
    if as_json:
        print_json({"labels": found.labels, "accuracy": found.accuracy})
        return
    click.echo(f"{'labels':>6}  " + "  ".join(f"{name:>9}" for name in found.accuracy))
    for place, count in enumerate(found.labels):
        click.echo(f"{count:>6}  " + "  ".join(f"{values[place]:9.4f}" for values in found.accuracy.values()))


def _rows(store: Store, usecase: str, span: str | None) -> "Rows":
    from mlops.actions.labeling.rows import load_rows
    from pipelines.config import find, load

    return load_rows(load(find(usecase)), store, span)
