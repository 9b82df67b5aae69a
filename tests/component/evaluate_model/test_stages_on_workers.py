"""Every stage that reads all data, on workers with the staged code alone, gives what one process gives.

Two worker processes in folders of their own read examples and models from an object store. As Kubeflow Pipelines does,
the step has a copy of each artifact under a path that is its address.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow_transform as tft

sys.path.insert(0, str(Path(__file__).parent))

from test_evaluate_on_beam import CONFIG, divided, same
from world import Model, Planted, read, rows, write_examples

from artifacts.examples.manifest import ExamplesManifest
from artifacts.statistics import folder as statistics_folder
from artifacts.transform_graph.names import TRANSFORMED_EXAMPLES
from components.compute_statistics.config import Config as StatisticsConfig
from components.compute_statistics.logic import compute
from components.evaluate_model.config import Config
from components.evaluate_model.logic import Inputs, Outputs, evaluate
from components.transform_features.config import Config as TransformConfig
from components.transform_features.logic import Inputs as TransformInputs
from components.transform_features.logic import transform
from core import digest, objects
from core.beam.settings import Beam, Runner
from core.object_stores import locations
from tests.beam_pool import worker_pool

pytestmark = pytest.mark.nightly("workers of Beam that import TensorFlow, for three stages")
MODULE = """\
import tensorflow as tf
import tensorflow_transform as tft

from .scaling import scaled


def preprocessing_fn(inputs):
    carrier = tf.sparse.to_dense(inputs["carrier"], "")[:, 0]
    carrier = tft.compute_and_apply_vocabulary(carrier, vocab_filename="carriers")
    load = tf.sparse.to_dense(inputs["load"], 0.0)[:, 0]
    return {"carrier": carrier, "load": scaled(load), "both": scaled(tf.cast(carrier, tf.float32) * scaled(load))}
"""
SCALING = """\
import tensorflow_transform as tft


def scaled(values):
    return tft.scale_to_z_score(values)
"""


class Step:
    """A step's folder, whose files have addresses below a bucket."""

    def __init__(self, root: Path, bucket: str) -> None:
        self.bucket = bucket
        self.folder = root / bucket.removeprefix("s3://")
        self.folder.mkdir(parents=True)
        self.examples = divided(write_examples(self.folder / "examples", rows(600, 1), rows(900, 2)), (1, 300))
        self.candidate = Model(Planted()).save(self.folder / "candidate")
        for path in self.folder.rglob("*"):
            if path.is_file():
                objects.write(f"{bucket}/{path.relative_to(self.folder).as_posix()}", path.read_bytes())


@pytest.fixture
def step(tmp_path: Path, bucket: str, monkeypatch: pytest.MonkeyPatch) -> Step:
    monkeypatch.setattr(locations, "MOUNTS", {f"{tmp_path}/mount/": "s3://"})
    return Step(tmp_path / "mount", bucket)


@pytest.fixture
def runner(tmp_path: Path, bucket: str) -> Iterator[Runner]:
    with worker_pool(tmp_path / "pool", f"{bucket}/work") as found:
        yield found


def test_statistics_and_evaluation(step: Step, runner: Runner) -> None:
    beam = Beam(engine="beam", laptop=runner)
    schema = str(step.examples / "schema.pbtxt")
    found: dict[str, Any] = {}
    shards = ExamplesManifest.read(step.examples).of_split("eval")
    served = {f"{number}.gz": (step.examples / shard.name).read_bytes() for number, shard in enumerate(shards)}
    for name, content in served.items():
        objects.write(f"{step.bucket}/served/{name}", content)
    digests = {name: digest.of_bytes(content) for name, content in served.items()}
    serving = f"{step.bucket}/served/*.gz@{digest.of_named(digests)}"
    for name, chosen in (("one", None), ("beam", beam)):
        out = step.folder / name
        config = StatisticsConfig(serving=serving, beam=chosen)
        compute(config, step.examples, schema, out / "statistics", out / "data.html")
        outputs = Outputs(out, out / "decision.json", out / "pictures.html", lambda *_: None)
        decision = evaluate(
            Config.model_validate(CONFIG | {"beam": chosen}), Inputs(schema, step.examples, step.candidate), outputs
        )
        found[name] = (read(out / "metrics.json"), json.loads(decision.model_dump_json()))
        found[f"{name} statistics"] = statistics_folder.read(out / "statistics")
    same(found["one"][0], found["beam"][0])
    same(found["one"][1], found["beam"][1])
    ours, theirs = found["one statistics"], found["beam statistics"]
    assert ours.keys() == theirs.keys()
    assert ours["Serving"].datasets[0].num_examples == sum(shard.records for shard in shards)
    assert len(shards) > 1
    for name, one in ours.items():
        assert one.datasets[0].num_examples == theirs[name].datasets[0].num_examples
        mine = {feature.path.step[0]: feature for feature in one.datasets[0].features}
        others = {feature.path.step[0]: feature for feature in theirs[name].datasets[0].features}
        assert mine.keys() == others.keys()
        for feature, stats in mine.items():
            assert stats.num_stats.mean == pytest.approx(others[feature].num_stats.mean, rel=1e-6), (name, feature)
            assert stats.string_stats.unique == others[feature].string_stats.unique
    assert not objects.walk(f"{step.bucket}/work")


@pytest.mark.parametrize("work", ["disk", "s3"])
def test_the_transform_of_a_use_case_in_any_folder(step: Step, runner: Runner, tmp_path: Path, work: str) -> None:
    """The module and what it imports are staged as a package; graphs go to a disk, or where that is S3, phase by phase.

    Over S3 nothing but the store is shared, also where transformed examples are written.
    """
    usecase = tmp_path / "mine" / "my_case"
    usecase.mkdir(parents=True)
    (usecase / "__init__.py").write_text("")
    (usecase / "module.py").write_text(MODULE)
    (usecase / "scaling.py").write_text(SCALING)
    inputs = TransformInputs(str(usecase / "module.py"), str(step.examples / "schema.pbtxt"), step.examples)
    is_s3 = work == "s3"
    transform(TransformConfig(materialize=is_s3), inputs, step.folder / "one")
    if not is_s3:
        (tmp_path / "work").mkdir()
        runner = runner.model_copy(update={"work": str(tmp_path / "work")})
    config = TransformConfig(beam=Beam(engine="beam", laptop=runner), materialize=is_s3)
    transform(config, inputs, step.folder / "beam")
    if is_s3:
        found = [ExamplesManifest.read(step.folder / name / TRANSFORMED_EXAMPLES).shards for name in ("one", "beam")]
        assert [(shard.name, shard.records) for shard in found[0]] == [(one.name, one.records) for one in found[1]]
        for shard in found[1]:
            written = objects.read(f"{step.bucket}/beam/{TRANSFORMED_EXAMPLES}/{shard.name}")
            assert digest.of_bytes(written) == shard.sha256
    assert not objects.walk(f"{step.bucket}/work")
    graphs = [tft.TFTransformOutput(str(step.folder / name)) for name in ("one", "beam")]
    assert graphs[0].transformed_metadata.schema == graphs[1].transformed_metadata.schema
    files = [Path(one.vocabulary_file_by_name("carriers")).read_bytes() for one in graphs]
    assert files[0] == files[1]
    import tensorflow as tf

    raw = {
        "carrier": tf.sparse.from_dense([["AA"], ["UA"]]),
        "load": tf.sparse.from_dense([[0.5], [-1.0]]),
        "hour": tf.sparse.from_dense(tf.constant([[1], [2]], tf.int64)),
        "wind": tf.sparse.from_dense([[1.0], [2.0]]),
    }
    ours, theirs = (one.transform_features_layer()(raw) for one in graphs)
    for name in ours:
        np.testing.assert_allclose(ours[name].numpy(), theirs[name].numpy(), rtol=1e-5, atol=1e-6)
