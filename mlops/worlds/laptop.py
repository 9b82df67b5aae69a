"""The laptop world: which local environment stands in for which image, and one run from words to verdict."""

import sys
from pathlib import Path

import localrun
from mlops.core.images import image
from mlops.core.user_code import ROOT

PRELOAD = {
    image("data"): ("kfp.dsl.executor_main", "pydantic", "pyarrow_hotfix", "pyarrow.parquet", "tfx_bsl.coders.example_coder"),
    image("tfx"): (
        "kfp.dsl.executor_main",
        "pydantic",
        "pyarrow_hotfix",
        "tensorflow",
        "tensorflow_data_validation",
        "tensorflow_transform.beam",
        "tensorflow_model_analysis",
        "matplotlib.figure",
    ),
}
"""What a warm worker imports once, by image; see benchmarks/ for what it saves."""


def environments() -> dict[str, localrun.Environment]:
    """Map every image to this interpreter, with the sources that each stage's cache key covers."""
    shared = (ROOT / "mlops" / "core",)
    stages = {path.parent.name: (path.parent,) for path in (ROOT / "components").glob("*/component.py")}
    stages["validate_infra"] = (*stages.get("validate_infra", ()), ROOT / "mlops" / "serving")
    sources = {"*": shared, **stages}
    return {name: localrun.Environment(python=Path(sys.executable), cwd=ROOT, preload=preload, sources=sources, lock=ROOT / "uv.lock") for name, preload in PRELOAD.items()}
