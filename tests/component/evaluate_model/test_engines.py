"""Every task and kind of model is evaluated by the same configuration, and what cannot be is named."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from pydantic import ValidationError

sys.path.insert(0, str(Path(__file__).parent))

from world import SCHEMA, SPEC, Model, Planted, Rows, read, rows, write_examples

from components.evaluate_model.config import Config
from components.evaluate_model.logic import Inputs, Outputs, evaluate
from core.backends.registry import open_registry
from core.decision import Decision, Verdict
from core.errors import ConfigError, CorruptArtifact, DataError, MlopsError, RegistryError, SchemaError

WHY = "measured on these flights"
CLASSES = (b"early", b"late", b"on time")


class Three(tf.Module):
    """A classifier of three classes with string labels, served as `classify`."""

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def classify(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        load = tf.io.parse_example(examples, SPEC)["load"]
        scores = tf.nn.softmax(tf.stack([-2 * load, 2 * load, 0 * load], axis=1))
        return {"classes": tf.tile(tf.constant([CLASSES]), [tf.shape(load)[0], 1]), "scores": scores}


class Minutes(tf.Module):
    """A regression as TFX's `run_fn` exports it: `serving_default`, an output of any name, [rows, 1]."""

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="anything")])
    def serve(self, anything: tf.Tensor) -> dict[str, tf.Tensor]:
        parsed = tf.io.parse_example(anything, SPEC)
        return {"dense_3": (10 * parsed["load"] + 3 * parsed["wind"])[:, None]}


def _run(
    root: Path, config: dict[str, Any], examples: Path, model: Path, champion: str = ""
) -> tuple[Decision, dict[str, Any]]:
    outputs = Outputs(root / "out", root / "out" / "decision.json", root / "out" / "pictures.html", lambda *_: None)
    inputs = Inputs(str(examples / "schema.pbtxt"), examples, model, champion, str(root / "registry"))
    decision = evaluate(Config.model_validate(config), inputs, outputs)
    return decision, read(root / "out" / "metrics.json")


def _relabelled(part: Rows, labels: np.ndarray) -> Rows:
    part.late = labels
    return part


def test_several_classes_with_names_are_measured(tmp_path: Path) -> None:
    parts = [rows(1500, 1), rows(800, 2)]
    schema = SCHEMA.replace(
        'name: "late" type: INT int_domain { min: 0 max: 1 is_categorical: true }', 'name: "late" type: BYTES'
    )
    for part in parts:
        drawn = part.load + np.random.default_rng(3).normal(0, 0.3, len(part.load))
        part.late = np.array(CLASSES)[np.select([drawn < -0.5, drawn > 0.5], [0, 1], 2)]
    examples = write_examples(tmp_path / "examples", *parts, schema)
    model = Three()
    tf.saved_model.save(model, str(tmp_path / "model"), signatures={"classify": model.classify})
    config = {
        "label": "late",
        "task": "multiclass_classification",
        "metrics": [{"name": "accuracy", "at_least": 0.6, "why": WHY}],
        "slices": [["carrier"]],
        "slice_thresholds": [{"metric": "log_loss", "at_most": 1.0, "slices": [["carrier"]]}],
        "min_slice_examples": 50,
        "baselines": [
            {"kind": "majority"},
            {"kind": "rate_table", "keys": ["carrier"]},
            {"kind": "linear", "must_beat": False},
        ],
        "leak": {"feature_above": 0.99},
    }
    decision, numbers = _run(tmp_path, config, examples, tmp_path / "model")
    assert decision.is_open, decision.summary
    assert numbers["overall"]["candidate"]["accuracy"] == pytest.approx(
        numbers["overall"]["candidate"]["sparse_categorical_accuracy"], abs=1e-6
    )
    assert numbers["feature_skill"]["load"] > numbers["feature_skill"]["hour"]


def test_a_regression_of_tfx_is_measured(tmp_path: Path) -> None:
    parts = [rows(1500, 1), rows(800, 2)]
    for part in parts:
        part.late = (
            10 * part.load + 3 * np.nan_to_num(part.wind) + np.random.default_rng(3).normal(0, 2, len(part.load))
        ).astype(np.float32)
    schema = SCHEMA.replace("type: INT int_domain { min: 0 max: 1 is_categorical: true }", "type: FLOAT")
    examples = write_examples(tmp_path / "examples", *parts, schema)
    model = Minutes()
    tf.saved_model.save(model, str(tmp_path / "model"), signatures={"serving_default": model.serve})
    config = {
        "label": "late",
        "task": "regression",
        "metrics": [
            {"name": "mean_absolute_error", "at_most": 3, "why": WHY},
            {"name": "mean_squared_error", "at_most": 5, "why": WHY},
            {"name": "r2", "at_least": 0.9, "why": WHY},
        ],
        "slices": [["carrier"]],
        "min_slice_examples": 50,
        "baselines": [
            {"kind": "majority"},
            {"kind": "rate_table", "keys": ["carrier"]},
            {"kind": "linear", "must_beat": False},
        ],
        "leak": {"suspicious_above": 0.999, "feature_above": 0.99},
    }
    decision, numbers = _run(tmp_path, config, examples, tmp_path / "model")
    assert decision.is_open, decision.summary
    assert numbers["overall"]["candidate"]["mean_squared_error"] == pytest.approx(4, rel=0.2)
    assert numbers["skill"] == {"name": "R2", "candidate": pytest.approx(numbers["overall"]["candidate"]["r2"])}
    assert 0.7 < numbers["feature_skill"]["load"] < 0.99
    by_error = sorted(numbers["slices"], key=lambda one: -one["candidate"]["mean_absolute_error"])
    carriers = [one["slice"]["carrier"] for one in by_error]
    table = (tmp_path / "out" / "pictures.html").read_text(encoding="utf-8").partition(">mean_absolute_error<")[2]
    assert sorted(carriers, key=lambda carrier: table.index(f"carrier={carrier}")) == carriers, "the worst comes first"


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("small")
    write_examples(root / "examples", rows(400, 1), rows(300, 2))
    Model(Planted()).save(root / "model")
    return root


SMALL: dict[str, Any] = {
    "label": "late",
    "task": "binary_classification",
    "metrics": [{"name": "auc", "at_least": 0.6, "why": WHY}],
}


@pytest.mark.parametrize(
    ("config", "champion", "error"),
    [
        ({"more_metrics": [{"name": "AUCC"}]}, "", ConfigError("wanted a metric of TFMA, got 'AUCC'")),
        ({"more_metrics": [{"name": "AUC", "config": {"thresholdz": 3.0}}]}, "", ConfigError("rejects a metric")),
        ({"slices": [["carier"]]}, "", ConfigError("did you mean 'carrier'")),
        ({"label": "lat"}, "", ConfigError("did you mean 'late'")),
        ({"baselines": [{"kind": "rate_table", "keys": ["hours"]}]}, "", ConfigError("did you mean 'hour'")),
        ({"task": "regression", "label": "wind"}, "", DataError("wanted a number in every row")),
        ({"label": "hour"}, "", DataError("wanted a class from 0 to 1")),
        ({}, "1@sha256:" + "0" * 64, RegistryError("under any name; was it deleted")),
        ({}, "latest", RegistryError("wanted a model version such as")),
    ],
)
def test_what_cannot_be_evaluated_is_named(
    small: Path, tmp_path: Path, config: dict[str, Any], champion: str, error: MlopsError
) -> None:
    with pytest.raises(type(error), match=str(error)):
        _run(tmp_path, SMALL | config, small / "examples", small / "model", champion)


def test_a_model_that_takes_no_examples_is_named(small: Path, tmp_path: Path) -> None:
    module = tf.Module()
    module.f = tf.function(lambda x: {"y": x}, input_signature=[tf.TensorSpec([None], tf.float32, name="x")])
    tf.saved_model.save(module, str(tmp_path / "model"), signatures={"serving_default": module.f})
    with pytest.raises(MlopsError, match=r"one input of serialized tf\.Examples"):
        _run(tmp_path, SMALL, small / "examples", tmp_path / "model")
    with pytest.raises(MlopsError, match=r"no saved_model\.pb"):
        _run(tmp_path, SMALL, small / "examples", tmp_path / "nothing")


def test_examples_that_were_cut_short_are_refused(tmp_path: Path, small: Path) -> None:
    examples = write_examples(tmp_path / "examples", rows(10, 1), rows(300, 2))
    shard = next((examples / "Split-eval").glob("*.gz"))
    shard.write_bytes(shard.read_bytes()[:-20])
    with pytest.raises(CorruptArtifact, match="Split-eval"):
        _run(tmp_path, SMALL, examples, small / "model")


class Demanding(tf.Module):
    """A model that needs a feature which the rows do not have."""

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def regress(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"outputs": tf.io.parse_example(examples, {"gone": tf.io.FixedLenFeature([], tf.float32)})["gone"]}


def test_a_champion_that_cannot_read_the_rows_leaves_the_gate_undecided(small: Path, tmp_path: Path) -> None:
    model = Demanding()
    tf.saved_model.save(model, str(tmp_path / "demanding"), signatures={"regress": model.regress})
    registry = open_registry(str(tmp_path / "registry"))
    registry.publish("another", small / "model" / "Format-Serving", {})
    champion = registry.publish("this", tmp_path / "demanding", {})
    decision, numbers = _run(tmp_path, SMALL, small / "examples", small / "model", champion.reference)
    assert decision.verdict is Verdict.UNDECIDED
    assert [check.rule for check in decision.checks if check.verdict is Verdict.UNDECIDED] == [
        "the champion 1 predicts the same rows"
    ]
    assert "Feature: gone" in numbers["champion"]["fault"]


def test_records_of_another_type_than_the_schemas_are_named(small: Path, tmp_path: Path) -> None:
    examples = write_examples(
        tmp_path / "examples", rows(10, 1), rows(300, 2), SCHEMA.replace('"load" type: FLOAT', '"load" type: INT')
    )
    with pytest.raises(SchemaError, match="load"):
        _run(tmp_path, SMALL, examples, small / "model")


class Pair(tf.Module):
    """Serves two columns, one per class, under a name of its own; and, if told so, a second numeric output."""

    def __init__(self, several: bool) -> None:
        super().__init__()
        self.several = several

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def serve(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        late = tf.sigmoid(tf.io.parse_example(examples, SPEC)["load"])
        return {"pair": tf.stack([1 - late, late], axis=1)} | ({"other": late} if self.several else {})


def test_two_columns_are_the_probability_of_the_second_class(small: Path, tmp_path: Path) -> None:
    for several in (False, True):
        model = Pair(several)
        tf.saved_model.save(model, str(tmp_path / f"model{several}"), signatures={"serving_default": model.serve})
    decision, _ = _run(tmp_path, SMALL, small / "examples", tmp_path / "modelFalse")
    assert decision.is_open, decision.summary
    with pytest.raises(MlopsError, match=r"one numeric output .* got \['other', 'pair'\]"):
        _run(tmp_path, SMALL, small / "examples", tmp_path / "modelTrue")


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (
            {"slice_thresholds": [{"metric": "auc", "slices": [["hour"]], "at_least": 0.5}]},
            r"\['hour'\] is not among slices",
        ),
        ({"slice_thresholds": [{"metric": "auc", "slices": [[]]}]}, "exactly one of at_least and at_most, got none"),
        (
            {"change": [{"metric": "auc", "at_least_change": 0.1, "at_most_change": 0.2}]},
            "got at_least_change and at_most_change",
        ),
        ({"baselines": [{"kind": "rate_table"}]}, "wanted keys for a rate_table"),
        ({"expected_slices": [{"origin": "JFK"}]}, r"\['origin'\] is not among slices"),
    ],
)
def test_a_rule_that_could_not_be_checked_is_refused_at_compile(wrong: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        Config.model_validate(SMALL | wrong)
