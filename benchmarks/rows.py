"""The rows that both programs read: spans of CSV for this program, the same rows by split for the peer.

CSV, because both read it alike: the peer's own reader of Parquet takes every 0 for a missing value.
"""

import csv
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow_hotfix  # noqa: F401
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from artifacts.examples.batches import record_batches
from artifacts.examples.manifest import ExamplesManifest
from artifacts.schema.schema_file import read_schema
from core.user_code import ROOT, reference
from usecases.flight_delay.data import write_spans

USECASE = ROOT / "usecases" / "flight_delay"
MONTHS = 12
SPLITS = ("train", "validation", "eval")


class Size(NamedTuple):
    """How many rows a measurement is about."""

    spans: int
    rows_per_span: int | None
    """Rows that are kept of each month, evenly; all of them when None."""


SIZES = {"15000": Size(4, 3750), "all": Size(MONTHS, None), "x10": Size(10 * MONTHS, None)}
"""Four months, thinned; a year; the year ten times. The newest span is evaluated, the others are trained on."""


def write_usecase(folder: Path, wanted: Size) -> tuple[Path, dict[str, int]]:
    """Write spans of CSV and a use case that reads them; return its folder and the rows of each split."""
    write_spans(folder / "months")
    for span in range(1, wanted.spans + 1):
        _write_span(folder, span, wanted.rows_per_span)
    usecase = folder / USECASE.name
    _copy_usecase(usecase, folder / "spans", wanted.spans)
    return usecase, _ingest(usecase, folder, wanted)


def write_splits(folder: Path, peer: Path) -> None:
    """Write the rows of the splits that our own ingestion made, a folder each."""
    schema = read_schema(USECASE / "schema.pbtxt")
    names = [feature.name for feature in schema.feature]
    for split in SPLITS:
        batches = record_batches(folder / "examples", split, schema)
        count = _write_csv(peer / split / "rows.csv", names, batches)
        assert count == ExamplesManifest.read(folder / "examples").records(split), (
            "the peer must see every row that this program sees"
        )


def _write_span(folder: Path, span: int, rows: int | None) -> None:
    target = folder / "spans" / f"span-{span}" / "flights.csv"
    if span > MONTHS:
        target.parent.mkdir(parents=True)
        os.link(folder / "spans" / f"span-{(span - 1) % MONTHS + 1}" / "flights.csv", target)
        return
    table = pq.read_table(folder / "months" / f"span-{span}" / "flights.parquet")
    if rows is not None:
        table = table.take([number * table.num_rows // rows for number in range(rows)])
    _write_csv(target, table.column_names, table.to_batches())


def _write_csv(path: Path, names: list[str], batches: Iterable[pa.RecordBatch]) -> int:
    """Write rows; a missing value is an empty cell and a float has a point, so that the peer infers the same types."""
    path.parent.mkdir(parents=True, exist_ok=True)
    count = 0
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(names)
        for batch in batches:
            writer.writerows(zip(*(_cells(batch.column(name)) for name in names), strict=True))
            count += batch.num_rows
    return count


def _cells(column: pa.Array) -> list[Any]:
    """Return one value per row; a feature of tf.Example comes as a list of one, of none, or as null."""
    return [_cell(value[0] if isinstance(value, list) and value else value) for value in column.to_pylist()]


def _cell(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode()
    return "" if value is None or value == [] else value


def _copy_usecase(folder: Path, source: Path, spans: int) -> None:
    """Copy the use case; what differs is where it reads, how many spans, and gates that let every model pass."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("module.py", "schema.pbtxt"):
        (folder / name).write_bytes((USECASE / name).read_bytes())
    config = yaml.safe_load((USECASE / "config.yaml").read_text(encoding="utf-8"))
    config["source"] = {"pattern": str(source / "span-{SPAN}" / "flights.csv")}
    config["ingest_examples"] |= {"format": "csv", "window": spans - 1}
    for metric in config["problem"]["metrics"]:
        metric |= {"at_least": 0.0, "why": "a benchmark measures time, not quality"}
    config["scope_use_case"]["reference"]["baseline_value"] = 0.0
    config["validate_data"] |= {"min_examples": 1000, "on_drift": "continue"}
    # Both programs train every epoch; where this program would stop early, the peer would not.
    config["train_model"] |= {"early_stopping": {"patience": config["train_model"]["epochs"]}}
    config["evaluate_model"] |= {"slice_thresholds": [], "expected_slices": []}
    for baseline in config["evaluate_model"]["baselines"]:
        baseline["must_beat"] = False
    (folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")


def _ingest(usecase: Path, folder: Path, wanted: Size) -> dict[str, int]:
    """Let this program's own ingestion split the rows."""
    from components.ingest_examples.config import Config
    from components.ingest_examples.logic import PinnedSource, ingest

    section = yaml.safe_load((usecase / "config.yaml").read_text(encoding="utf-8"))["ingest_examples"]
    source = PinnedSource(str(folder / "spans" / "span-{SPAN}" / "flights.csv"), wanted.spans, "")
    manifest = ingest(Config.model_validate(section), source, reference(usecase / "schema.pbtxt"), folder / "examples")
    return {split: manifest.records(split) for split in SPLITS}
