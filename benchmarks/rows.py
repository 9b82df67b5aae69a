"""The rows that both programs read: spans of CSV for this project, the same rows by split for TFX."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow_hotfix  # noqa: F401
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from mlops.core.examples import Manifest, read_schema, record_batches
from mlops.core.user_code import ROOT, reference

USECASE = ROOT / "usecases" / "flight_delay"
MONTHS = 12
SPLITS = ("train", "validation", "eval")


class Size(NamedTuple):
    """How many rows a measurement is about."""

    name: str
    spans: int
    rows_per_span: int | None
    """Rows that are kept of each month, evenly; all of them when None."""


def size(name: str) -> Size:
    """Name a size: `15k` is four months, thinned; `all` the whole year; `10x` the year ten times over."""
    sizes = {"15k": Size("15k", 4, 3750), "all": Size("all", MONTHS, None), "10x": Size("10x", 10 * MONTHS, None)}
    return sizes[name]


class Prepared(NamedTuple):
    """What both programs are given; the judged span is the newest, as in `mlops run`."""

    usecase: Path
    peer: Path
    span: int
    rows: dict[str, int]


def prepare(folder: Path, wanted: Size, months: Path) -> Prepared:
    """Write a use case that reads thinned or repeated months from CSV, and the rows of its splits as CSV for TFX."""
    usecase, source = folder / "flight_delay", folder / "spans"
    for span in range(1, wanted.spans + 1):
        table = pq.read_table(months / f"span-{(span - 1) % MONTHS + 1}" / "flights.parquet")
        if wanted.rows_per_span is not None:
            keep = [number * table.num_rows // wanted.rows_per_span for number in range(wanted.rows_per_span)]
            table = table.take(keep)
        _write_csv(source / f"span-{span}" / "flights.csv", table.column_names, table.to_batches())
    _write_usecase(usecase, source, wanted.spans)
    rows = _split(usecase, source, wanted, folder / "peer")
    return Prepared(usecase, folder / "peer", wanted.spans, rows)


def _write_csv(path: Path, names: list[str], batches: Iterator[pa.RecordBatch] | list[pa.RecordBatch]) -> int:
    """Write rows; a missing value is an empty cell and a float always has a point, so that TFX sees the same types."""
    path.parent.mkdir(parents=True, exist_ok=True)
    count = 0
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(names)
        for batch in batches:
            columns = [_cells(batch.column(name)) for name in names]
            writer.writerows(zip(*columns, strict=True))
            count += batch.num_rows
    return count


def _cells(column: pa.Array) -> list[Any]:
    """Return one value per row; a feature of tf.Example comes as a list of one or of none."""
    values = column.to_pylist()
    return [_cell(value[0] if isinstance(value, list) and value else value) for value in values]


def _cell(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode()
    return "" if value is None or value == [] else value


def _write_usecase(folder: Path, source: Path, spans: int) -> None:
    """Copy the use case; what differs is where it reads, how many months, and a gate that lets every model pass."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("module.py", "schema.pbtxt"):
        (folder / name).write_bytes((USECASE / name).read_bytes())
    config = yaml.safe_load((USECASE / "config.yaml").read_text(encoding="utf-8"))
    config["source"] = {"pattern": str(source / "span-{SPAN}" / "flights.csv")}
    config["ingest_examples"] |= {"format": "csv", "window": spans - 1}
    config["problem"]["metrics"] = [{"name": "auc", "at_least": 0.5, "why": "a benchmark measures time, not quality"}]
    config["scope_use_case"]["reference"]["baseline_value"] = 0.5
    config.get("validate_data", {}).update({"min_examples": 1000, "on_drift": "continue"})
    # Both programs train every epoch; where this project would stop early, the peer would not.
    config["train_model"]["early_stopping"] = {"patience": config["train_model"].get("epochs", 5)}
    judged = config["evaluate_model"]
    judged["slice_thresholds"] = []
    judged["expected_slices"] = []
    for baseline in judged.get("baselines", []):
        baseline["must_beat"] = False
    (folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")


def _split(usecase: Path, source: Path, wanted: Size, peer: Path) -> dict[str, int]:
    """Let this project's own ingestion split the rows, and write what came out for TFX."""
    from components.ingest_examples.config import Config
    from components.ingest_examples.logic import Source, ingest

    section = yaml.safe_load((usecase / "config.yaml").read_text(encoding="utf-8"))["ingest_examples"]
    schema_file = usecase / "schema.pbtxt"
    examples = peer / "examples"
    pattern = str(source / "span-{SPAN}" / "flights.csv")
    ingest(Config.model_validate(section), Source(pattern, wanted.spans, ""), reference(schema_file), examples)
    schema = read_schema(schema_file)
    names = [feature.name for feature in schema.feature]
    rows = {split: _write_csv(peer / "csv" / split / "rows.csv", names, record_batches(examples, split, schema)) for split in SPLITS}
    manifest = Manifest.read(examples)
    assert rows == {split: manifest.records(split) for split in SPLITS}, "the peer must see every row that this project sees"
    (peer / "rows.json").write_text(json.dumps(rows), encoding="utf-8")
    return rows
