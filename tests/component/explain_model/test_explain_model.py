"""Explanations find what matters; the gate holds that they add up and are stable, and what must not matter."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from artifacts.explanations.background import draw_background
from artifacts.explanations.summary import ExplanationsSummary
from artifacts.model.features import read_features
from artifacts.schema.schema_file import read_schema
from components.explain_model.config import Config
from components.explain_model.logic import Inputs, Outputs, explain
from core.decision import Decision, Verdict
from core.errors import ConfigError
from core.user_code import reference
from tests.written_examples import write_examples

SCHEMA = """
feature { name: "late" type: INT presence { min_fraction: 1 } shape { dim { size: 1 } } not_in_environment: "SERVING" }
feature { name: "carrier" type: BYTES presence { min_fraction: 1 } shape { dim { size: 1 } } }
feature { name: "hour" type: INT presence { min_fraction: 1 } shape { dim { size: 1 } } }
feature { name: "temp" type: FLOAT presence { min_fraction: 0 } value_count { max: 1 } }
feature { name: "sex" type: BYTES presence { min_fraction: 1 } shape { dim { size: 1 } } not_in_environment: "SERVING" }
default_environment: "TRAINING" default_environment: "SERVING"
"""
FEATURES = [
    {"name": "carrier", "dtype": "string", "required": True},
    {"name": "hour", "dtype": "int", "required": True},
    {"name": "temp", "dtype": "float", "required": False, "count": "temp__count"},
]
FACTS = {"label": "late", "task": "binary_classification"}
CONFIG = Config(**FACTS, min_stability=0.4, rows=30, permutation_rows=300, worst=2)
SPEC = [
    tf.TensorSpec([None], tf.string, "carrier"),
    tf.TensorSpec([None], tf.int64, "hour"),
    tf.TensorSpec([None], tf.float32, "temp"),
    tf.TensorSpec([None], tf.int64, "temp__count"),
]


class Planted(tf.Module):
    """The carrier AA is late, the hour adds a little, the temperature nothing.

    With `batch`, the answer to a row depends on the other rows of its batch, as batch normalization does in training.
    """

    def __init__(self, batch: float = 0.0) -> None:
        super().__init__()
        self.batch = batch

    @tf.function(input_signature=SPEC)
    def serve(self, carrier: Any, hour: Any, temp: Any, temp__count: Any) -> Any:
        score = 2.0 * tf.cast(carrier == "AA", tf.float32) + tf.cast(hour, tf.float32) / 24.0 - 1.5
        return {"predictions": tf.sigmoid(score + self.batch * tf.reduce_mean(score))[:, tf.newaxis]}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., tuple[Inputs, Path]]:
    import explained_models
    import pyarrow as pa

    root = tmp_path_factory.mktemp("explain")
    random = np.random.default_rng(5)

    def rows(count: int) -> pa.Table:
        carrier = random.choice(["AA", "UA", "B6"], count)
        hour = random.integers(0, 24, count)
        temp = [None if one < 0.2 else float(one * 80) for one in random.random(count)]
        late = (random.random(count) < np.where(carrier == "AA", 0.7, 0.25)).astype(np.int64)
        columns = {"late": late, "carrier": carrier, "hour": hour, "temp": pa.array(temp, pa.float32())}
        return pa.table(columns | {"sex": random.choice(["f", "m"], count)})

    examples = write_examples(root / "examples", {"train": rows(500), "eval": rows(300)})
    (root / "schema.pbtxt").write_text(SCHEMA)

    def made(name: str, module: tf.Module, background: Any = None) -> tuple[Inputs, Path]:
        folder = root / name
        saved_model = explained_models.export(folder / "Format-Serving", module, FEATURES, background or ())
        features = read_features(saved_model)
        assert features is not None
        if background is None:
            drawn = draw_background(examples, read_schema(root / "schema.pbtxt"), features)
            lines = "".join(json.dumps(row) + "\n" for row in drawn)
            (saved_model / "assets.extra" / "background_rows.jsonl").write_text(lines)
        return Inputs(reference(root / "schema.pbtxt"), examples, folder), folder

    return made


def explained(config: Config, made: tuple[Inputs, Path], tmp_path: Path) -> Decision:
    outputs = Outputs(tmp_path / "explanations", tmp_path / "decision.json", tmp_path / "pictures.html")
    decision = explain(config, made[0], outputs)
    assert Decision.read(tmp_path / "decision.json") == decision
    return decision


@pytest.fixture(scope="module")
def planted(world: Callable[..., tuple[Inputs, Path]]) -> tuple[Inputs, Path]:
    return world("planted", Planted())


def test_a_planted_effect_of_a_category_is_found(planted: tuple[Inputs, Path], tmp_path: Path) -> None:
    decision = explained(CONFIG.model_copy(update={"max_share": {"sex": 0.0, "temp": 1e-6}}), planted, tmp_path)
    assert decision.is_open, decision
    summary = ExplanationsSummary.read(tmp_path / "explanations")
    first, second, third = summary.features
    assert [first.name, second.name, third.name] == ["carrier", "hour", "temp"]
    assert first.share > 0.6
    assert third.shapley < 1e-6
    assert third.permutation == pytest.approx(0, abs=1e-6)
    assert first.permutation is not None
    assert first.permutation > 0.1
    assert summary.residual is not None
    assert summary.residual <= 1e-6
    assert len(summary.worst) == 2
    assert summary.worst[0].values.keys() == {"carrier", "hour", "temp"}
    pictures = (tmp_path / "pictures.html").read_text()
    assert pictures.count("<svg") >= 4
    assert [check.observed for check in decision.checks if "sex" in check.rule] == ["not an input of the model"]


def test_a_feature_that_must_not_matter_closes_the_gate(planted: tuple[Inputs, Path], tmp_path: Path) -> None:
    decision = explained(CONFIG.model_copy(update={"max_share": {"carrier": 0.1}}), planted, tmp_path)
    assert decision.verdict is Verdict.FAIL
    assert "relies on carrier" in decision.next_step


def test_an_unknown_feature_is_named(planted: tuple[Inputs, Path], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"max_share.*'carier'.*did you mean 'carrier'"):
        explained(CONFIG.model_copy(update={"max_share": {"carier": 0.1}}), planted, tmp_path)


def test_an_explanation_that_does_not_add_up_closes_the_gate(
    world: Callable[..., tuple[Inputs, Path]], tmp_path: Path
) -> None:
    decision = explained(CONFIG, world("batch", Planted(batch=0.5)), tmp_path)
    assert decision.verdict is Verdict.FAIL
    assert "do not add up" in decision.next_step


def test_background_rows_of_another_schema_close_the_gate(
    world: Callable[..., tuple[Inputs, Path]], tmp_path: Path
) -> None:
    other = [{"carrier": "AA", "humidity": 3.0}]
    decision = explained(CONFIG, world("other", Planted(), other), tmp_path)
    assert decision.verdict is Verdict.FAIL
    assert "humidity" in decision.next_step
    assert "humidity" in (tmp_path / "pictures.html").read_text()


def test_too_few_rows_are_undecided(planted: tuple[Inputs, Path], tmp_path: Path) -> None:
    few = {"min_rows": 200, "worst": 0, "permutation_rows": 0}
    decision = explained(CONFIG.model_copy(update=few), planted, tmp_path)
    assert decision.verdict is Verdict.UNDECIDED
