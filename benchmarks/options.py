"""What the peer is told, taken from the use case that this project runs: the same schema, model, training and slices."""

import json
import math
from pathlib import Path

import yaml

from benchmarks.rows import Prepared


def write_options(prepared: Prepared, path: Path, beam: list[str]) -> None:
    """Write the peer's options beside its rows."""
    config = yaml.safe_load((prepared.usecase / "config.yaml").read_text(encoding="utf-8"))
    training, problem = config["train_model"], config["problem"]
    epochs, batch_size = training.get("epochs", 5), training.get("batch_size", 512)
    options = {
        "schema": str(prepared.usecase / "schema.pbtxt"),
        "epochs": epochs,
        "batch_size": batch_size,
        "hyperparameters": training.get("hyperparameters", {}) | {"train_steps": epochs * math.ceil(prepared.rows["train"] / batch_size)},
        "evaluate_model": config["evaluate_model"] | {key: problem[key] for key in ("label", "task", "metrics")},
        "beam": beam,
    }
    path.write_text(json.dumps(options, indent=2), encoding="utf-8")
