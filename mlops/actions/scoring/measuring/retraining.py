"""Repeats the training of the model in production in another process, folder, time zone and locale of hashes."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from artifacts.examples.names import EVAL
from artifacts.model.names import SERVING, WEIGHTS
from core.errors import MlopsError
from core.user_code import ROOT
from mlops.actions.scoring.measuring.bench import SAMPLE, Bench

CHANGED = {"TZ": "Asia/Kathmandu", "PYTHONHASHSEED": "4711", "LC_ALL": "C"}
_SECONDS = 3600.0
_UMASK = 0o077


def measure(bench: Bench) -> dict[str, Any]:
    """Return which weights differ, and how many predictions."""
    task = bench.training
    with tempfile.TemporaryDirectory(prefix="retraining-") as temporary:
        folder = Path(temporary)
        request = dict(task.parameters) | {
            "examples": str(bench.examples),
            "transform_graph": str(bench.transform_graph),
        }
        (folder / "request.json").write_text(json.dumps(request), encoding="utf-8")
        environment = os.environ | CHANGED | {"PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path[1:]])}
        command = [sys.executable, "-m", __name__, str(folder)]
        ended = subprocess.run(command, cwd=folder, env=environment, capture_output=True, timeout=_SECONDS, check=False)  # noqa: S603 - our own command
        if ended.returncode:
            raise MlopsError(f"the training cannot be repeated: {ended.stderr.decode(errors='replace')[-500:]}")
        again = folder / "model" / SERVING
        different, count = _weights(bench.trained_model, again)
        block = bench.splits.sample(EVAL, SAMPLE, seed=0)
        ours, theirs = (bench.predictor(path)(block.serialized) for path in (bench.trained_model, again))
    return {
        "changed": "process, folder, time zone, hash seed, umask",
        "weights": count,
        "different_weights": different,
        "rows": len(ours),
        "different_predictions": int(np.count_nonzero((ours != theirs).reshape(len(ours), -1).any(axis=1))),
    }


def _weights(one: Path, other: Path) -> tuple[list[str], int]:
    """Return the names of weights that differ in any bit, and the number of weights."""
    if not (one / WEIGHTS).is_file() or not (other / WEIGHTS).is_file():
        return [], 0
    with np.load(one / WEIGHTS, allow_pickle=False) as ours, np.load(other / WEIGHTS, allow_pickle=False) as theirs:
        names = sorted({*ours.files, *theirs.files})
        differing = [
            name
            for name in names
            if name not in ours.files or name not in theirs.files or ours[name].tobytes() != theirs[name].tobytes()
        ]
    return differing, len(names)


def _train(folder: Path) -> None:
    """Train as the request in a folder says."""
    from components.train_model.config import Config  # noqa: PLC0415
    from components.train_model.logic import Inputs, Outputs, train  # noqa: PLC0415

    request = json.loads((folder / "request.json").read_text(encoding="utf-8"))
    inputs = Inputs(
        request["module"],
        request["schema"],
        request["examples"],
        request["transform_graph"],
        request.get("champion", ""),
        request.get("registry", ""),
    )
    train(
        Config.model_validate(request["config"]),
        inputs,
        Outputs(folder / "model", lambda *_: None, folder / "pictures"),
    )


if __name__ == "__main__":
    os.umask(_UMASK)
    _train(Path(sys.argv[1]))
