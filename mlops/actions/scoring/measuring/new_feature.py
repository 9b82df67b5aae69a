"""Adds a feature to a copy of the use case, as a person would, and trains a model with it."""

import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import pyarrow_hotfix  # noqa: F401
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import yaml

from artifacts.model.features import read_features
from artifacts.model.names import SERVING
from artifacts.spans import files as spans
from core import digest
from core.errors import MlopsError
from core.store import Store
from mlops.actions.scoring.measuring.bench import Bench
from mlops.runs.history import read_run
from mlops.worlds.finished import run_to_end
from mlops.worlds.table import open_world
from mlops.worlds.world import RunRequest, WorldContext
from pipelines.config import load

NAME = "score_added"
ROWS = 5000
"""Rows of each span: the demonstration is about the change, not about the data."""
_SCHEMA = f"""
feature {{
  name: "{NAME}"
  type: FLOAT
  presence {{ min_fraction: 1.0 min_count: 1 }}
  shape {{ dim {{ size: 1 }} }}
  float_domain {{ min: 0 max: 1 disallow_nan: true disallow_inf: true }}
  drift_comparator {{ jensen_shannon_divergence {{ threshold: 0.5 }} }}
}}
"""
_MODULE = f'''

_without_{NAME} = preprocessing_fn


def preprocessing_fn(inputs):
    """Transform the features, and the one that was added."""
    return _without_{NAME}(inputs) | {{"{NAME}": inputs["{NAME}"]}}
'''
_LEFT_OUT = (
    "audit_privacy",
    "write_cards",
    "measure_fairness",
    "constrain_model",
    "compress_model",
    "distill_model",
    "search_model",
    "select_features",
    "explain_model",
    "push_model",
)


def measure(bench: Bench) -> dict[str, Any]:
    """Return which files change, and how long it takes to a model that is asked for the new feature."""
    usecase = bench.subject.usecase
    with tempfile.TemporaryDirectory(prefix="new-feature-") as temporary:
        root = Path(temporary)
        folder = root / usecase.folder.name
        shutil.copytree(usecase.folder, folder, ignore=shutil.ignore_patterns("__pycache__", "data.py", "sample*"))
        _data(bench, folder, root / "data")
        before = _digests(folder)
        began = time.monotonic()
        with (folder / "schema.pbtxt").open("a", encoding="utf-8") as schema:
            schema.write(_SCHEMA)
        with (folder / "module.py").open("a", encoding="utf-8") as module:
            module.write(_MODULE)
        reached, headline = _trained(bench, folder, Store(root / "store"))
        seconds = time.monotonic() - began
        changed = sorted(name for name, one in _digests(folder).items() if before.get(name) != one)
    if not reached:
        raise MlopsError(f"no model with the new feature: {headline}")
    return {"files": changed, "seconds": round(seconds, 1), "reached": reached, "rows": ROWS}


def _digests(folder: Path) -> dict[str, str]:
    return {path.relative_to(folder).as_posix(): digest.of_file(path) for path in folder.rglob("*") if path.is_file()}


def _trained(bench: Bench, folder: Path, store: Store) -> tuple[bool, str]:
    """Run the experiment; return whether the model is asked for the feature, and what became of the run."""
    with open_world("laptop", WorldContext(store)) as world:
        outcome, _ = run_to_end(world, RunRequest(load(folder), "level0", _span(bench)))
    model = read_run(store, outcome.run.run_id).artifact("train_model", "model")
    features = read_features(model.path / SERVING) if model is not None else None
    return features is not None and any(one.name == NAME for one in features.features), outcome.headline


def _span(bench: Bench) -> Any:
    return bench.subject.run.parameters.get("span") if bench.subject.run is not None else None


def _data(bench: Bench, folder: Path, target: Path) -> None:
    """Write the run's spans with the new column, and a configuration that reads them."""
    run = bench.subject.run
    if run is None:
        raise MlopsError(f"no run: {bench.subject.run_command}")
    settings = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))
    pattern = str(run.parameters["source"])
    length = bench.subject.usecase.ingest_examples.spans
    window = spans.resolve(pattern, _span(bench), length, "skip", spanless=True)
    settings["source"] = settings["source"] | {
        "pattern": str(
            target / Path(settings["source"]["pattern"]).name
            if "{" not in pattern
            else target / settings["source"]["pattern"]
        )
    }
    for file in window.files:
        if not isinstance(file.path, Path | str) or "://" in str(file.path):
            raise MlopsError(f"{file.path}: data in an object store is not copied")
        _with_column(
            Path(file.path), target / _relative(Path(file.path), pattern), bench.subject.usecase.ingest_examples.format
        )
    for stage in _LEFT_OUT:
        settings.pop(stage, None)
    (folder / "config.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")


def _relative(path: Path, pattern: str) -> Path:
    """Return a file's path below the folder that the pattern's first variable is in."""
    fixed = Path(pattern.partition("{")[0])
    base = fixed if pattern.partition("{")[0].endswith("/") else fixed.parent
    return path.relative_to(base)


def _with_column(source: Path, target: Path, format: str) -> None:
    """Copy a file of the first rows with the new column."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if format == "parquet":
        table = pq.read_table(source)
        table = table.take(pa.array(_spread(table.num_rows)))
        pq.write_table(table.append_column(NAME, _values(table.num_rows)), target)
    elif format == "csv":
        table = pa_csv.read_csv(source, parse_options=pa_csv.ParseOptions(newlines_in_values=True))
        table = table.take(pa.array(_spread(table.num_rows)))
        pa_csv.write_csv(table.append_column(NAME, _values(table.num_rows)), target)
    elif format == "jsonl":
        lines = source.read_text(encoding="utf-8").splitlines()[:ROWS]
        target.write_text(
            "".join(f'{line.rstrip()[:-1]}, "{NAME}": {at % 10 / 10}}}\n' for at, line in enumerate(lines)),
            encoding="utf-8",
        )
    else:
        raise MlopsError(f"{format}: a column is added to csv, parquet and jsonl only")


def _spread(rows: int) -> list[int]:
    step = max(rows // ROWS, 1)
    return list(range(0, rows, step))[:ROWS]


def _values(rows: int) -> pa.Array:
    return pa.array([at % 10 / 10 for at in range(rows)], pa.float32())
