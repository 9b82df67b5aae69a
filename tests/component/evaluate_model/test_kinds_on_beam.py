"""Every kind of problem gives the same numbers on both engines where workers add up parts of the rows."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

sys.path.insert(0, str(Path(__file__).parent))

from test_engines import CLASSES, Minutes
from test_evaluate_on_beam import WHY, divided, same
from world import SCHEMA, SPEC, read, rows, write_examples

from components.evaluate_model import beam_measuring
from components.evaluate_model.config import Config
from components.evaluate_model.logic import Inputs, Outputs, evaluate
from core.backends.registry import open_registry

BASE: dict[str, Any] = {
    "label": "late",
    "weight": "hour",
    "slices": [["carrier"]],
    "baselines": [{"kind": "majority"}, {"kind": "linear", "must_beat": False}],
    "leak": {"feature_above": 0.99},
    "batch_size": 256,
}


class Shares(tf.Module):
    """Three classes whose probabilities add up to 1 but in a few rows."""

    def __init__(self, slope: float) -> None:
        super().__init__()
        self.slope = slope

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def classify(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        load = tf.io.parse_example(examples, SPEC)["load"]
        scores = tf.nn.softmax(tf.stack([-self.slope * load, self.slope * load, 0 * load], axis=1))
        scores *= tf.where(load > 2.5, 0.5, 1.0)[:, None]
        return {"classes": tf.tile(tf.constant([CLASSES]), [tf.shape(load)[0], 1]), "scores": scores}


def _evaluated(root: Path, config: dict[str, Any], schema: str, labels: Any, *models: tf.Module) -> None:
    parts = [rows(600, 1), rows(1500, 2)]
    for part in parts:
        part.late = labels(part)
    examples = divided(write_examples(root / "examples", *parts, schema), (0, 1, 300, 200))
    name = "classify" if config["task"].startswith("multiclass") else "serving_default"
    for folder, one in zip(("candidate", "champion"), models, strict=True):
        tf.saved_model.save(one, str(root / folder), signatures={name: getattr(one, "classify", None) or one.serve})
    published = open_registry(str(root / "registry")).publish("m", root / "champion", {})
    champion = f"{published.version}@{published.digest}"
    inputs = Inputs(str(examples / "schema.pbtxt"), examples, root / "candidate", champion, str(root / "registry"))
    found = []
    for beam in ({}, {"beam": {"engine": "beam"}}):
        out = root / f"out-{bool(beam)}"
        outputs = Outputs(out, out / "decision.json", out / "pictures.html", lambda *_: None)
        decision = evaluate(Config.model_validate(BASE | config | beam), inputs, outputs)
        found.append((read(out / "metrics.json"), json.loads(decision.model_dump_json())))
    assert found[0][0]["champion"] == {"reference": champion, "fault": ""}
    same(found[0][0], found[1][0])
    same(found[0][1], found[1][1])


def test_classes_whose_probabilities_do_not_add_up_in_a_few_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(beam_measuring, "_TOGETHER", 400)
    schema = SCHEMA.replace(
        'name: "late" type: INT int_domain { min: 0 max: 1 is_categorical: true }', 'name: "late" type: BYTES'
    )

    def labels(part: Any) -> Any:
        drawn = part.load + np.random.default_rng(3).normal(0, 0.3, len(part.load))
        return np.array(CLASSES)[np.select([drawn < -0.5, drawn > 0.5], [0, 1], 2)]

    config = {"task": "multiclass_classification", "metrics": [{"name": "accuracy", "at_least": 0.6, "why": WHY}]}
    _evaluated(tmp_path, config, schema, labels, Shares(2.0), Shares(1.0))


@pytest.mark.nightly("a second kind of problem on both engines")
def test_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beam_measuring, "_TOGETHER", 400)
    schema = SCHEMA.replace("type: INT int_domain { min: 0 max: 1 is_categorical: true }", "type: FLOAT")

    def labels(part: Any) -> Any:
        noise = np.random.default_rng(3).normal(0, 2, len(part.load))
        return (10 * part.load + 3 * np.nan_to_num(part.wind) + noise).astype(np.float32)

    config = {"task": "regression", "metrics": [{"name": "mean_absolute_error", "at_most": 3, "why": WHY}]}
    _evaluated(tmp_path, config, schema, labels, Minutes(), Minutes())
