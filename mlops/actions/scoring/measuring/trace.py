"""Follows rows of the evaluation: raw, transformed, answered, explained."""

import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from artifacts.predictions import parity
from core.errors import MlopsError
from mlops.actions.explained_row import explain_row
from mlops.actions.scoring.measuring.bench import Bench
from mlops.actions.scoring.measuring.extreme_rows import serialized

ROWS = 5


def measure(bench: Bench) -> dict[str, Any]:
    """Return for some rows whether each step is known and the answers are those of the evaluation."""
    subject = bench.subject
    folder = subject.artifact("evaluate_model", "evaluation")
    if folder is None or subject.version is None:
        raise MlopsError(f"this store has no evaluation of the model in production: {subject.run_command}")
    rows = parity.read(folder, ROWS)
    records = tf.constant([serialized(row.instance, subject.serving_features) for row in rows])
    answers = bench.champion(records)
    transformed = bench.champion.transformed(records)
    recorded = np.array([row.predictions for row in rows], np.float64).reshape(len(rows), -1)
    got = answers.reshape(len(rows), -1)
    explained, faults = _explained(bench, [row.instance for row in rows])
    return {
        "rows": len(rows),
        "transformed": len(transformed),
        "different": int((~np.isclose(got, recorded, rtol=1e-5, atol=1e-6)).any(axis=1).sum()),
        "explained": explained,
        "faults": faults,
        "first": {"raw": rows[0].instance, "answer": got[0].tolist()},
    }


def _explained(bench: Bench, rows: list[dict[str, Any]]) -> tuple[int, list[str]]:
    """Return how many rows have an explanation that adds up to the answer, and why others have none."""
    version = bench.subject.version
    assert version is not None
    faults = []
    with tempfile.TemporaryDirectory(prefix="trace-") as temporary:
        file = Path(temporary, "rows.jsonl")
        file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        for number in range(1, len(rows) + 1):
            try:
                explain_row(bench.subject.usecase, version.path, file, number)
            except MlopsError as error:
                faults.append(str(error))
    return len(rows) - len(faults), faults
