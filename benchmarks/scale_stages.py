"""Runs one stage of the benchmark of scale in this process, and says how long it took without its imports."""

import importlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.measure import Failed

STAGES = ("ingest_examples", "compute_statistics", "transform_features", "evaluate_model", "infer_bulk")
NEED_A_MODEL = frozenset({"evaluate_model", "infer_bulk"})
"""Stages that read the eval split, a fifth of the rows, with a model that `prepare` has trained."""
USECASE = "flight_delay"
_PART_BYTES = 256 << 10
"""Small, so that each file is a part: even the flights of a year are several shards for two workers."""
_ON_WORKERS = {
    "ingest_examples": "components.ingest_examples.with_beam",
    "compute_statistics": "components.compute_statistics.groups_with_beam",
    "transform_features": "components.transform_features.on_workers",
    "evaluate_model": "components.evaluate_model.with_beam",
    "infer_bulk": "components.infer_bulk.with_beam",
}
"""What each stage imports to run on Beam."""
_LABEL = {"label": "late", "task": "binary_classification"}
_REFERENCE = "reference"


def beam_section(workers: int) -> dict[str, Any] | None:
    """Return the section `beam` for so many workers, None for no Beam."""
    if not workers:
        return None
    runner: dict[str, Any] = {"workers": workers}
    if workers == 1:  # a process beside the step, as each of two is
        runner = {"options": {"direct_running_mode": "multi_processing", "direct_num_workers": 1}}
    return {"engine": "beam", "laptop": runner}


def run(stage: str, workers: int, source: Path, out: Path, prepared: Path) -> float:
    """Run a stage on what the stages before it have left in a folder; Failed where they have not."""
    if stage != "ingest_examples" and not (out / "examples" / "manifest.json").is_file():
        raise Failed(
            f"{stage} reads what ingest_examples writes to {out / 'examples'}, which is not there: add it to --stages"
        )
    if workers:
        importlib.import_module(_ON_WORKERS[stage])
    call = _CALLS[stage](beam_section(workers), source, out, prepared)
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def prepare(source: Path, out: Path) -> None:
    """Train a model on the smallest source, once, and publish it."""
    from components.train_model.logic import Inputs, Outputs, train
    from core.backends.registry import open_registry
    from pipelines.config import USECASES, load

    usecase = load(USECASES / USECASE)
    for stage in ("ingest_examples", "transform_features"):
        _CALLS[stage](None, source, out, out)()
    config = usecase.train_model.model_copy(update={"epochs": 1})
    inputs = Inputs(usecase.module, _schema(), str(out / "examples"), str(out / "graph"), "", "")
    train(config, inputs, Outputs(str(out / "model"), lambda *_: None, str(out / "pictures.html")))
    version = open_registry(str(out / "models")).publish(USECASE, out / "model" / "Format-Serving", {})
    (out / _REFERENCE).write_text(version.reference, encoding="utf-8")


def is_prepared(prepared: Path) -> bool:
    """Whether `prepare` has finished there."""
    return (prepared / _REFERENCE).is_file()


def _schema() -> str:
    from core.user_code import reference
    from pipelines.config import USECASES

    return reference(USECASES / USECASE / "schema.pbtxt")


Beam = dict[str, Any] | None


def _ingest(beam: Beam, source: Path, out: Path, _: Path) -> Callable[[], object]:
    from components.ingest_examples.config import Config
    from components.ingest_examples.logic import PinnedSource, ingest

    split = {"by": "hash", "eval": 20, "validation": 10}
    section = {"format": "parquet", "part_bytes": _PART_BYTES, "key": "row", "split": split, "beam": beam}
    config, schema = Config.model_validate(section), _schema()
    return lambda: ingest(config, PinnedSource(f"{source}/span-{{SPAN}}/*.parquet", 1, ""), schema, out / "examples")


def _statistics(beam: Beam, _: Path, out: Path, __: Path) -> Callable[[], object]:
    from components.compute_statistics.config import Config
    from components.compute_statistics.logic import compute

    config, schema = Config.model_validate({"beam": beam}), _schema()
    return lambda: compute(config, out / "examples", schema, out / "statistics", out / "pictures.html")


def _transform(beam: Beam, _: Path, out: Path, __: Path) -> Callable[[], object]:
    from components.transform_features.config import Config
    from components.transform_features.logic import Inputs, transform
    from core.user_code import reference
    from pipelines.config import USECASES

    inputs = Inputs(reference(USECASES / USECASE / "module.py"), _schema(), out / "examples")
    return lambda: transform(Config.model_validate({"beam": beam}), inputs, out / "graph")


def _evaluate(beam: Beam, _: Path, out: Path, prepared: Path) -> Callable[[], object]:
    from components.evaluate_model.config import Config
    from components.evaluate_model.logic import Inputs, Outputs, evaluate

    baselines = [{"kind": "majority"}, {"kind": "rate_table", "keys": ["carrier", "hour"]}, {"kind": "linear"}]
    slices = [["carrier"], ["origin"], ["carrier", "origin"]]
    config = Config.model_validate(_LABEL | {"slices": slices, "baselines": baselines, "beam": beam})
    outputs = Outputs(out / "evaluation", out / "decision.json", out / "evaluation.html", lambda *_: None)
    inputs = Inputs(_schema(), out / "examples", prepared / "model")
    return lambda: evaluate(config, inputs, outputs)


def _infer(beam: Beam, _: Path, out: Path, prepared: Path) -> Callable[[], object]:
    from components.infer_bulk.config import Config
    from components.infer_bulk.logic import Inputs, Outputs, infer

    config = Config.model_validate({"label": _LABEL["label"], "example_splits": ["eval"], "beam": beam})
    model = (prepared / _REFERENCE).read_text(encoding="utf-8")
    inputs = Inputs(str(out / "examples"), _schema(), model, str(prepared / "models"))
    names = ("logs", "predicted", "predictions", "inference.json", "inference.html")
    return lambda: infer(config, inputs, Outputs(*(str(out / name) for name in names)))


_CALLS: dict[str, Callable[[Beam, Path, Path, Path], Callable[[], object]]] = {
    "ingest_examples": _ingest,
    "compute_statistics": _statistics,
    "transform_features": _transform,
    "evaluate_model": _evaluate,
    "infer_bulk": _infer,
}
