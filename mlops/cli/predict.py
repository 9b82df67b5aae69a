"""`mlops predict`: predicts the raw rows of a file with the model in production, in this process."""

import csv
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TextIO

import click

from core.store import Store
from mlops.cli.at import version_option


@click.command()
@click.argument("usecase")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@version_option
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The file to write (.csv or .jsonl), atomically; default: standard output as CSV.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def predict(store: Store, *, usecase: str, file: Path, version: int | None, output: Path | None, as_json: bool) -> None:
    """Predict the raw rows of FILE with the model of USECASE in production.

    FILE is a .csv, a .parquet, or a .jsonl with one object a line; the pipeline `inference` predicts whole spans.
    """
    from core.errors import UsageError
    from mlops.cli.main import print_json
    from mlops.worlds.pinned import chosen_version
    from pipelines.config import find, load

    if file.suffix not in {".csv", ".jsonl", ".parquet"}:
        raise UsageError(f"{file}: wanted a .csv, .jsonl or .parquet file, got {file.suffix or 'no suffix'}")
    if output is not None and output.suffix not in {".csv", ".jsonl"}:
        raise UsageError(f"{output}: wanted a .csv or .jsonl file, got {output.suffix or 'no suffix'}")
    loaded = load(find(usecase))
    chosen = chosen_version(loaded, store, version)
    # Imported late: TensorFlow takes seconds, and wrong arguments should fail at once.
    from artifacts.model.label import read as read_label
    from mlops.actions.rows import predictions

    batches = predictions(loaded, chosen.path, file)
    label = read_label(chosen.path)
    classes = label.classes if label else ()
    about: dict[str, Any] = {
        "model": chosen.name,
        "version": chosen.version,
        "digest": chosen.digest,
        "file": str(file),
    }
    if output is not None:
        about |= {"rows": _write(output, batches, classes), "output": str(output)}
        if as_json:
            print_json(about)
        else:
            click.echo(f"{about['rows']} rows predicted by {chosen.name} version {chosen.version}: {output}")
    elif as_json:
        found = [one for batch in batches for one in batch]
        named = {"classes": list(classes)} if classes else {}
        print_json(about | named | {"rows": len(found), "predictions": found})
    else:
        _emit(sys.stdout, ".csv", batches, classes)


def _write(output: Path, batches: Iterator[list[Any]], classes: Sequence[str]) -> int:
    """Write atomically, so that a row that fails leaves no file; return the number of rows."""
    output.parent.mkdir(parents=True, exist_ok=True)
    staged = output.with_name(f".{output.name}.staging")
    try:
        with staged.open("w", encoding="utf-8") as stream:
            rows = _emit(stream, output.suffix, batches, classes)
        staged.replace(output)
    finally:
        staged.unlink(missing_ok=True)
    return rows


def _emit(stream: TextIO, suffix: str, batches: Iterator[list[Any]], classes: Sequence[str]) -> int:
    """Write a line per row, in the order of the file: number, most probable of several classes, prediction.

    Returns the number of rows.
    """
    table = csv.writer(stream, lineterminator="\n")
    rows = 0
    for batch in batches:
        if rows == 0 and suffix == ".csv":
            table.writerow(["row", *_names(batch[0], classes)])
        for number, one in enumerate(batch, rows + 1):
            if suffix == ".csv":
                table.writerow([number, *_class(one, classes), *(one if isinstance(one, list) else [one])])
            else:
                line = {"row": number} | dict(zip(["class"], _class(one, classes), strict=False))
                stream.write(json.dumps(line | {"predictions": one}, allow_nan=False) + "\n")
        rows += len(batch)
    return rows


def _class(one: Any, classes: Sequence[str]) -> list[str]:
    """Return the name of the most probable of several classes; empty for any other model."""
    has_classes = isinstance(one, list) and len(one) == len(classes) > 1
    return [classes[one.index(max(one))]] if has_classes else []


def _names(one: Any, classes: Sequence[str]) -> list[str]:
    """Return the names of the columns of a row's prediction."""
    if not isinstance(one, list) or len(one) == 1:
        is_named = len(classes) == 2 and classes[1] != "1"
        return [f"probability of {classes[1]}" if is_named else "prediction"]
    if len(one) == len(classes):
        return ["class", *(f"probability of {name}" for name in classes)]
    return [f"prediction_{at}" for at in range(len(one))]
