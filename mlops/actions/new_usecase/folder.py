"""Writes the folder of a new use case atomically, and overwrites nothing."""

import json
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from core.errors import DataError, UsageError
from core.problem import Task
from core.store import Store
from mlops.actions.new_usecase.columns import Columns, sort_columns
from mlops.actions.new_usecase.features import Features, features_of
from mlops.actions.new_usecase.table import Table, read_table
from mlops.actions.new_usecase.task import Label, describe_label

NAME = re.compile(r"[a-z][a-z0-9_]{0,40}")
FEWEST_ROWS = 60
"""Fewer rows would leave too few to evaluate a model on."""
TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class NewUseCaseRequest:
    """The arguments of `mlops new usecase`."""

    name: str
    source: Path
    label: str
    folder: Path
    """The folder to write."""
    today: date
    task: Task | None = None
    """None: guessed from the label."""
    delimiter: str | None = None
    """None: guessed from the header."""


@dataclass(frozen=True)
class NewUseCase:
    """The folder that was written, and what was found in the data."""

    folder: Path
    data: Path
    table: Table
    label: Label
    columns: Columns
    features: Features


def create(request: NewUseCaseRequest, store: Store) -> NewUseCase:
    """Write the folder, and copy the data into the store as span 1; after an error neither is left.

    Raises UsageError for a name, file, label or task that cannot be used, and DataError for data that no run can use.
    """
    _check(request, store)
    table = read_table(request.source, request.delimiter)
    label = describe_label(table, request.label, request.task)
    if table.rows < FEWEST_ROWS:
        raise DataError(f"{table.path}: wanted at least {FEWEST_ROWS} rows to train and evaluate on, got {table.rows}")
    columns = sort_columns(table, label.name)
    facts = _facts(request, table, label, columns)
    data = store.data / request.name / facts["file"].replace("{SPAN}", "1")
    with _staged(request.folder) as staging, _copied(request.source, data):
        _render("config.yaml", staging, facts, slices=())
        features = _write_schema(staging, store, request)
        _render("config.yaml", staging, facts, slices=features.slices)
        for name in ("module.py", "README.md"):
            _render(name, staging, facts, features=features, slices=features.slices)
    return NewUseCase(request.folder, data, table, label, columns, features)


def _check(request: NewUseCaseRequest, store: Store) -> None:
    if not NAME.fullmatch(request.name):
        raise UsageError(
            f"the name {request.name!r} cannot be used: wanted a lower-case letter, then up to 40 lower-case letters, "
            "digits and underscores, such as credit_default"
        )
    if store.objects:
        raise UsageError(
            "MLOPS_STORE is set, but the file is copied into a store on this machine: unset it, and push the data "
            "later with `mlops data push`"
        )
    for path in (request.folder, store.data / request.name):
        if path.exists():
            raise UsageError(f"{path} exists and is not overwritten; choose another name, or move it")


def _facts(request: NewUseCaseRequest, table: Table, label: Label, columns: Columns) -> dict[str, Any]:
    """Return the values that the templates use."""
    rows = table.rows
    batch = 32 if rows < 5_000 else 128 if rows < 50_000 else 512
    return {
        "name": request.name,
        "today": request.today.isoformat(),
        "source": request.source.name,
        "file": f"data-{{SPAN}}{'.parquet' if table.format == 'parquet' else '.csv'}",
        "table": table,
        "label": label,
        "columns": columns,
        "batch": batch,
        "epochs": min(60, max(5, -(-2_000 * batch // rows))),
        "fewest": max(5, rows // 50),
        "fewest_eval": max(10, min(200, rows // 10)),
        "bound": _bound(label),
    }


def _bound(label: Label) -> float:
    """Return the baseline's value, rounded so that a model which only equals the baseline does not pass."""
    digits = 4
    value = round(label.baseline_value, digits)
    step = 10.0**-digits
    if label.task == "regression":
        return value if value <= label.baseline_value else round(value - step, digits)
    return value if value >= label.baseline_value else round(value + step, digits)


def _write_schema(staging: Path, store: Store, request: NewUseCaseRequest) -> Features:
    """Propose a schema from the data as a run reads it, and return the features it has."""
    from artifacts.schema.schema_file import read_schema  # noqa: PLC0415
    from mlops.actions.proposed_schema import propose_schema  # noqa: PLC0415
    from pipelines.config import load  # noqa: PLC0415

    propose_schema(load(staging), store).write()
    features = features_of(read_schema(staging / "schema.pbtxt"), request.label)
    if not features.total:
        raise DataError(f"{request.source}: wanted a column to learn from beside {request.label!r}, got none")
    return features


def _render(name: str, folder: Path, facts: dict[str, Any], **more: Any) -> None:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # noqa: PLC0415

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - YAML, Python and Markdown; names are quoted by the filters
    )
    environment.filters |= {"quoted": _quoted, "python": _python, "one_line": lambda text: " ".join(str(text).split())}
    text = environment.get_template(f"{name}.j2").render(**facts, **more)
    (folder / name).write_text(text, encoding="utf-8")


def _quoted(value: object) -> str:
    """Write a value as a YAML or JSON string."""
    return json.dumps(str(value), ensure_ascii=False)


def _python(names: tuple[str, ...]) -> str:
    """Write names as a Python tuple, one per line when they do not fit one line."""
    quoted = [_quoted(name) for name in names]
    line = f"({', '.join(quoted)}{',' if len(quoted) == 1 else ''})"
    return line if len(line) < 100 else "(\n" + "".join(f"    {name},\n" for name in quoted) + ")"


@contextmanager
def _staged(folder: Path) -> Iterator[Path]:
    """Yield a staging folder that is renamed to `folder` at the end, or removed after an error."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    staging = folder.with_name(f".{folder.name}.staging")
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir()
    try:
        yield staging
        staging.rename(folder)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


@contextmanager
def _copied(source: Path, target: Path) -> Iterator[None]:
    """Copy the data; remove the copy after an error."""
    target.parent.mkdir(parents=True)
    try:
        shutil.copyfile(source, target)
        yield
    except BaseException:
        shutil.rmtree(target.parent)
        raise
