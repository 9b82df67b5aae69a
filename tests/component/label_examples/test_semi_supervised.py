"""Rows get labels by their likeness to gold rows where that helps, and are refused where it does not."""

from pathlib import Path
from typing import Any

import pyarrow_hotfix  # noqa: F401
import numpy as np
import pyarrow as pa
import pytest

from artifacts.labels import probabilities
from components.label_examples.config import Config
from components.label_examples.logic import Inputs, Outputs, label
from core.decision import Decision
from core.errors import DataError, LabelingError
from tests.written_examples import write_examples

SCHEMA = """
feature { name: "label" type: BYTES presence { min_fraction: 1 } shape { dim { size: 1 } } domain: "label"
  not_in_environment: "SERVING" }
feature { name: "x" type: FLOAT presence { min_fraction: 1 } shape { dim { size: 1 } } }
feature { name: "y" type: FLOAT presence { min_fraction: 1 } shape { dim { size: 1 } } }
string_domain { name: "label" value: "inner" value: "outer" }
default_environment: "TRAINING"
default_environment: "SERVING"
"""


def _rings(rows: int, seed: int, *, noise: bool, unlabeled: bool = False) -> tuple[pa.Table, np.ndarray[Any, Any]]:
    """Return points on two rings, which no line parts but likeness does; with noise, labels say nothing of places."""
    random = np.random.default_rng(seed)
    outer = random.integers(0, 2, rows)
    angle = random.random(rows) * 2 * np.pi
    radius = np.where(outer, 3.0, 1.0) + random.normal(0, 0.1, rows)
    truth = random.integers(0, 2, rows) if noise else outer
    names: list[str | None] = [("inner", "outer")[one] for one in truth]
    columns = {
        "label": pa.array([None] * rows if unlabeled else names, pa.string()),
        "x": pa.array(radius * np.cos(angle), pa.float32()),
        "y": pa.array(radius * np.sin(angle), pa.float32()),
    }
    return pa.table(columns), truth


def _label(folder: Path, method: str, *, noise: bool = False, gold: int = 60) -> np.ndarray[Any, Any]:
    (folder / "schema.pbtxt").write_text(SCHEMA)
    train, truth = _rings(400, 1, noise=noise, unlabeled=True)
    splits = {"train": train, "gold": _rings(gold, 2, noise=noise)[0], "eval": _rings(50, 3, noise=noise)[0]}
    write_examples(folder / "examples", splits)
    given = {"label": "label", "task": "binary_classification", "positive": "outer", "gold_split": "gold"}
    config = Config.model_validate(given | {"splits": ["train"], "method": method})
    outputs = Outputs(folder / "out", folder / "decision.json", folder / "pictures.html", lambda name, value: None)
    label(config, Inputs("", str(folder / "schema.pbtxt"), folder / "examples"), outputs)
    return truth


def test_label_spreading_labels_what_no_line_parts(tmp_path: Path) -> None:
    truth = _label(tmp_path, "label_spreading")
    classes, labels = probabilities.read(tmp_path / "out", "train") or ((), None)
    assert labels is not None
    assert classes == ("inner", "outer")
    assert (labels.probabilities.argmax(axis=1) == truth).mean() > 0.95
    assert Decision.read(tmp_path / "decision.json").is_open


@pytest.mark.parametrize("method", ["self_training", "label_spreading"])
def test_it_is_refused_where_it_does_not_beat_the_gold_rows_alone(tmp_path: Path, method: str) -> None:
    if method == "self_training":  # a straight line stays one, however many rows it labels itself
        with pytest.raises(DataError, match="self_training makes labels worse here"):
            _label(tmp_path, method, noise=True)
    else:
        with pytest.raises(LabelingError, match=r"at least 5 gold rows of every class .* got fewer of"):
            _label(tmp_path, method, gold=6)
    assert not (tmp_path / "out" / "manifest.json").exists()


def test_functions_are_wanted_by_the_other_methods(tmp_path: Path) -> None:
    with pytest.raises(LabelingError, match="wanted a list labeling_functions"):
        _label(tmp_path, "label_model")
