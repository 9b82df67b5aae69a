"""`mlops explain`: says why the model in production predicts what it does for one row of a file."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from core.store import Store
from mlops.cli.at import version_option

if TYPE_CHECKING:
    from rich.text import Text

    from mlops.actions.explained_row import ExplainedPrediction

_WIDTH = 100
"""Columns where the output is no terminal."""
_BAR = 30
_SHOWN = 15


@click.command()
@click.argument("usecase")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--row", type=click.IntRange(1), default=1, show_default=True, help="The row of the file, from 1.")
@version_option
@click.option("--html", "page", type=click.Path(path_type=Path, dir_okay=False), help="Write a page with pictures.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def explain(
    store: Store, *, usecase: str, file: Path, row: int, version: int | None, page: Path | None, as_json: bool
) -> None:
    """Explain the prediction of one row of FILE with the model of USECASE in production.

    What each feature adds to the mean prediction of rows of the training; together they are the prediction. FILE is a
    .csv, a .parquet, or a .jsonl with one object a line.
    """
    from core.errors import UsageError
    from mlops.cli.main import print_json
    from mlops.worlds.pinned import chosen_version
    from pipelines.config import find, load

    if file.suffix not in {".csv", ".jsonl", ".parquet"}:
        raise UsageError(f"{file}: wanted a .csv, .jsonl or .parquet file, got {file.suffix or 'no suffix'}")
    loaded = load(find(usecase))
    chosen = chosen_version(loaded, store, version)
    # Imported late: TensorFlow takes seconds, and wrong arguments should fail at once.
    from mlops.actions.explained_row import explain_row

    explained = explain_row(loaded, chosen.path, file, row)
    about: dict[str, Any] = {
        "model": chosen.name,
        "version": chosen.version,
        "digest": chosen.digest,
        "file": str(file),
        "row": row,
    }
    if page is not None:
        explained.write_page(page, f"{chosen.name} version {chosen.version}, row {row} of {file.name}")
        about["page"] = str(page)
    if as_json:
        print_json(about | {"explanation": explained.facts})
        return
    _print(explained, f"{chosen.name} version {chosen.version}, row {row} of {file}")
    if page is not None:
        click.echo(f"wrote {page}")


def _print(explained: "ExplainedPrediction", title: str) -> None:
    from rich.console import Console
    from rich.table import Table

    facts = explained.facts
    console = Console(soft_wrap=True, width=None if sys.stdout.isatty() else _WIDTH, highlight=False)
    what = f"probability of {facts['class']}" if facts.get("class") else "prediction"
    console.print(f"{title}: {what} {facts['prediction']:.4g}")
    table = Table(box=None, pad_edge=False, show_header=False)
    for is_number in (False, False, True, False):
        table.add_column(justify="right" if is_number else "left", no_wrap=True)
    ranked = sorted(facts["attributions"].items(), key=lambda item: -abs(item[1]))
    shown, others = ranked[:_SHOWN], ranked[_SHOWN:]
    largest = max((abs(value) for _, value in ranked), default=0.0) or 1.0
    table.add_row("base", "", f"{facts['base']:.4g}", "")
    for name, value in shown:
        table.add_row(name, explained.values[name][:40], f"{value:+.4g}", _bar(value, largest))
    if others:
        rest = sum(value for _, value in others)
        table.add_row(f"{len(others)} other features", "", f"{rest:+.4g}", _bar(rest, largest))
    table.add_row("prediction", "", f"{facts['prediction']:.4g}", "")
    console.print(table)
    for name, words in facts.get("words", {}).items():
        console.print(_words(name, words))


def _bar(value: float, largest: float) -> "Text":
    from rich.text import Text

    return Text("█" * max(round(_BAR * abs(value) / largest), value != 0), style="red" if value > 0 else "blue")


def _words(name: str, words: list[list[Any]]) -> "Text":
    """Return a text whose words that raise the prediction are red, and blue those that lower it."""
    from rich.text import Text

    largest = max((abs(value) for _, value in words), default=0.0) or 1.0
    text = Text(f"{name}: ")
    for word, value in words:
        style = ("bold red" if value > 0 else "bold blue") if abs(value) > largest / 5 else ""
        text.append(f"{word}({value:+.2g}) " if style else f"{word} ", style)
    return text
