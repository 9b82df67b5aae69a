"""The monitor scores the evaluation's rows alike on both engines; of more rows than the sample, a sample is scored."""

import tempfile
from pathlib import Path
from typing import Any

import pyarrow_hotfix  # noqa: F401
import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf
from hypothesis import HealthCheck, given, settings

from artifacts.examples.manifest import ExamplesManifest
from artifacts.predictions.split import Splits
from artifacts.schema.schema_file import read_schema
from components.monitor_model.answered import read_sample
from components.monitor_model.config import Config, Staleness
from components.monitor_model.evaluated import Evaluated, Subject, evaluated
from components.monitor_model.with_beam import evaluated_with_beam
from core.backends.registry import ModelVersion, open_registry
from core.beam.settings import Runner
from core.errors import CorruptArtifact
from tests.odd_shards import ODD, Odd, write

SCHEMA = """
feature { name: "late" type: INT int_domain { min: 0 max: 1 is_categorical: true } }
feature { name: "load" type: FLOAT }
feature { name: "wind" type: FLOAT }
"""
SPEC = {name: tf.io.FixedLenFeature([], tf.float32, 0.0) for name in ("load", "wind")}


class Logits(tf.Module):
    """A model that returns logits, few of which are outside [0, 1]."""

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def regress(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        parsed = tf.io.parse_example(examples, SPEC)
        return {"outputs": 0.5 + 0.2 * parsed["load"] + 0.1 * parsed["wind"]}


def table(rows: int, seed: int) -> pa.Table:
    random = np.random.default_rng(seed)
    load, wind = random.normal(size=(2, rows)).astype("f4")
    late = (random.random(rows) < 1 / (1 + np.exp(-load))).astype("i8")
    return pa.table({"late": late, "load": load, "wind": pa.array(wind, mask=random.random(rows) < 0.2)})


class Ground:
    """A registry with one version, which was exported once."""

    def __init__(self, root: Path) -> None:
        model = Logits()
        tf.saved_model.save(model, str(root / "exported"), signatures={"regress": model.regress})
        self.registry = str(root / "models")
        self.version: ModelVersion = open_registry(self.registry).publish("m", root / "exported", {})
        self.schema = root / "schema.pbtxt"
        self.schema.write_text(SCHEMA)

    def both(self, examples: Path, **changes: Any) -> list[Evaluated]:
        why = Staleness(max_model_age_days=1, why="a test of both engines")
        config = Config.model_validate(
            {"staleness": why, "label": "late", "task": "binary_classification", "metrics": ()} | changes
        )
        subject = Subject(self.version, self.registry, Splits(examples, read_schema(self.schema)))
        beam = evaluated_with_beam(Runner(), config, subject, examples.parent / "findings.json")
        return [evaluated(config, subject), beam]


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Ground:
    return Ground(tmp_path_factory.mktemp("ground"))


@settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck))
@given(held_back=ODD)
def test_odd_shards_are_scored_alike_on_both_engines(ground: Ground, held_back: list[Odd]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        ours, theirs = ground.both(write(Path(folder) / "examples", {"eval": held_back}, table, "wind"))
    np.testing.assert_array_equal(ours.scores, theirs.scores)
    assert ours.metrics["auc"] > 0.6
    assert (theirs.metrics, theirs.fault, theirs.of_rows) == (ours.metrics, "", 0)


def test_of_more_rows_than_the_sample_a_sample_is_scored(ground: Ground, tmp_path: Path) -> None:
    """Whether outputs are logits is decided on all rows; scores are those of the rows that were drawn."""
    examples = write(tmp_path / "examples", {"eval": [(700, True), (0, True), (700, False)]}, table, "wind")
    whole, sample = ground.both(examples, sample_rows=1000)
    assert (len(whole.scores), len(sample.scores), sample.of_rows) == (1700, 1000, 1700)
    assert not set(sample.scores.tolist()) - set(whole.scores.tolist())
    assert sample.metrics["auc"] == pytest.approx(whole.metrics["auc"], abs=0.05)


def test_a_damaged_shard_is_named(ground: Ground, tmp_path: Path) -> None:
    examples = write(tmp_path / "examples", {"eval": [(60, True)]}, table, "wind")
    shard = ExamplesManifest.read(examples).of_split("eval")[1]
    (examples / shard.name).write_bytes((examples / shard.name).read_bytes()[:-20])
    with pytest.raises(CorruptArtifact, match=f"{shard.name}: wanted sha256:"):
        ground.both(examples)


def test_a_label_that_cannot_be_read_is_said_by_both_engines(ground: Ground, tmp_path: Path) -> None:
    """The scores are compared all the same."""

    def odd_labels(rows: int, seed: int) -> pa.Table:
        found = table(rows, seed)
        return found.set_column(0, "late", pa.array(np.where(np.arange(rows) == rows // 2, 5, 1)))

    ours, theirs = ground.both(write(tmp_path / "examples", {"eval": [(60, True)]}, odd_labels, "wind"))
    np.testing.assert_array_equal(ours.scores, theirs.scores)
    assert ours.fault == theirs.fault != ""
    assert not theirs.metrics


def test_answers_are_sampled_block_by_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("components.monitor_model.answered._BLOCK", 300)
    answers = np.random.default_rng(0).random((2000, 1), "f4")
    answers[1900] = 3.0
    np.save(tmp_path / "1.npy", answers)
    found = read_sample(tmp_path / "1.npy", 1000, seed=4)
    assert (len(found.outputs), found.rows, found.is_outside) == (1000, 2000, True)
    places = np.searchsorted(np.sort(answers[:, 0]), found.outputs[:, 0])
    assert len(set(places.tolist())) == 1000
    assert read_sample(tmp_path / "1.npy", 5000, seed=4).outputs.tolist() == answers.tolist()
