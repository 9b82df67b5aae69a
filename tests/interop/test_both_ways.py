"""TFX's components read what this project's stages write, and the stages read what TFX's components write.

One test for each row of the table in docs/tfx.md. TFX runs its whole pipeline on its own penguins, the stages run on
what it wrote, and TFX's components run again on what the stages wrote; each in a process of its own.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from artifacts.model.names import SERVING
from core import digest

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.timeout(5400)  # the first test waits for three processes with TFX in them
KERAS = {"theirs": {"TF_USE_LEGACY_KERAS": "1"}}
"""As `import tfx` sets it, which is too late where TFMA is imported first."""
NIGHTLY = pytest.mark.nightly("TFX's own components, run twice: two minutes")
EVERY = (
    *("ExampleGen", "StatisticsGen", "SchemaGen", "ExampleValidator", "Transform", "Tuner", "Trainer", "Evaluator"),
    *("InfraValidator", "Pusher", "BulkInferrer", "Resolver"),
)


class Sides(NamedTuple):
    """What each process made."""

    theirs: Mapping[str, str]
    """TFX on its own data."""
    ours: Mapping[str, Any]
    """The stages, on what TFX wrote."""
    read: Mapping[str, str]
    """TFX on what the stages wrote."""
    folder: Path


def _made(module: str, *words: str, folder: Path) -> Any:
    done = subprocess.run(
        [sys.executable, "-m", f"tests.interop.{module}", *words, str(folder)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3", **KERAS.get(module, {})},
        capture_output=True,
        text=True,
        timeout=1500,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-6000:]
    return json.loads((folder / "made.json").read_text())


@pytest.fixture(scope="module")
def sides(tmp_path_factory: pytest.TempPathFactory) -> Sides:
    folder = tmp_path_factory.mktemp("interop")
    nothing = folder / "nothing.json"
    nothing.write_text("{}")
    theirs = _made("theirs", "run", str(nothing), folder=folder / "theirs")
    ours = _made("ours", str(folder / "theirs" / "made.json"), folder=folder / "ours")
    read = _made("theirs", "read", str(folder / "ours" / "made.json"), folder=folder / "read")
    return Sides(theirs, ours, read, folder)


def _records(*folders: str) -> list[bytes]:
    import tensorflow as tf

    files = [str(path) for folder in folders for path in sorted(Path(folder).rglob("*.gz"))]
    return [record.numpy() for record in tf.data.TFRecordDataset(files, "GZIP")]


def test_the_table_names_every_standard_component_and_its_test() -> None:
    page = (ROOT / "docs" / "tfx.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (?:`?[A-Z]\w+`?, )*`(\w+)` \|.*\[test\]\(\.\./(\S+?)\) \|$", page, re.MULTILINE)
    assert [name for name, _ in rows] == list(EVERY)
    assert {place for _, place in rows} == {"tests/interop/test_both_ways.py"}
    source = Path(__file__).read_text(encoding="utf-8")
    assert not [name for name in EVERY if f"def test_{_snake(name)}(" not in source]


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()


@NIGHTLY
def test_example_gen(sides: Sides) -> None:
    """Every record of TFX's examples is in ours, byte for byte; TFX counts ours as we do."""
    ours = sides.ours["examples"]
    assert sorted(_records(ours)) == sorted(_records(sides.theirs["ImportExampleGen.examples"]))
    for split in ("train", "eval"):
        counted = _statistics(sides.read["StatisticsGen.statistics"], split).datasets[0].num_examples
        assert counted == len(_records(f"{ours}/Split-{split}"))


def _statistics(folder: str, split: str) -> Any:
    from tensorflow_metadata.proto.v0 import statistics_pb2

    path = Path(folder, f"Split-{split}", "FeatureStats.pb")
    return statistics_pb2.DatasetFeatureStatisticsList.FromString(path.read_bytes())


def _numbers(statistics: Any) -> dict[str, list[float]]:
    found = {}
    for feature in statistics.datasets[0].features:
        name = feature.name or ".".join(feature.path.step)
        common = feature.num_stats.common_stats if feature.HasField("num_stats") else feature.string_stats.common_stats
        found[name] = [float(common.num_non_missing), float(common.num_missing), float(common.tot_num_values)]
        if feature.HasField("num_stats"):
            numeric = feature.num_stats
            found[name] += [numeric.mean, numeric.std_dev, numeric.min, numeric.max, numeric.median]
    return found


@NIGHTLY
def test_statistics_gen(sides: Sides) -> None:
    """TFX's statistics of our examples are our statistics of them; our data gate decides by those of TFX."""
    for split in ("train", "eval"):
        theirs = _numbers(_statistics(sides.read["StatisticsGen.statistics"], split))
        ours = _numbers(_statistics(sides.ours["statistics"], split))
        assert theirs.keys() == ours.keys()
        for name, numbers in theirs.items():
            assert ours[name] == pytest.approx(numbers, rel=1e-5, abs=1e-7), name
    assert sides.ours["their_data_is_valid"]


@NIGHTLY
def test_schema_gen(sides: Sides) -> None:
    """TFX infers the types of the curated schema; its ExampleValidator and Transform took the curated one."""
    from artifacts.schema.schema_file import read_schema

    inferred = read_schema(Path(sides.theirs["SchemaGen.schema"], "schema.pbtxt"))
    curated = read_schema(Path(sides.ours["schema_folder"], "schema.pbtxt"))
    types = [{feature.name: feature.type for feature in schema.feature} for schema in (inferred, curated)]
    assert types[0] == types[1]
    assert "Transform.transform_graph" in sides.read


def _anomalies(folder: str, split: str) -> Any:
    from tensorflow_metadata.proto.v0 import anomalies_pb2

    return anomalies_pb2.Anomalies.FromString(Path(folder, f"Split-{split}", "SchemaDiff.pb").read_bytes())


@NIGHTLY
def test_example_validator(sides: Sides) -> None:
    """TFX finds in our statistics what we find there under a schema that they leave, and nothing under the other."""
    for split in ("train", "eval"):
        planted = _anomalies(sides.read["ExampleValidator.anomalies"], split)
        assert set(planted.anomaly_info) == {"body_mass_g"}
        assert planted.anomaly_info == _anomalies(sides.ours["strict_anomalies"], split).anomaly_info
        assert not _anomalies(sides.ours["anomalies"], split).anomaly_info
        assert not _anomalies(sides.theirs["ExampleValidator.anomalies"], split).anomaly_info


def _transformed(folder: str) -> list[tuple[float, ...]]:
    import tensorflow as tf

    rows = []
    for record in _records(folder):
        example = tf.train.Example.FromString(record)
        values = []
        for _, feature in sorted(example.features.feature.items()):
            values += [*feature.float_list.value, *feature.int64_list.value]
        rows.append(tuple(round(value, 4) for value in values))
    return sorted(rows)


@NIGHTLY
def test_transform(sides: Sides) -> None:
    """TFX transforms our rows to the numbers that we do; each side trains on the other's graph."""
    theirs = _transformed(f"{sides.read['Transform.transformed_examples']}/Split-train")
    ours = _transformed(f"{sides.ours['transformed']}/Split-train")
    assert len(theirs) == len(ours) > 100
    for one, other in zip(theirs, ours, strict=True):
        assert one == pytest.approx(other, abs=2e-3)
    assert sides.ours["their_graph_is_open"]
    assert Path(sides.read["Trainer.model"], SERVING, "saved_model.pb").is_file()


@NIGHTLY
def test_tuner(sides: Sides) -> None:
    """Our training takes the hyperparameters of TFX's Tuner; TFX's Trainer took a file of ours."""
    assert sides.ours["tuned_is_open"]
    given = Path(sides.ours["hyperparameters_folder"], "best_hyperparameters.txt")
    found = Path(sides.theirs["Tuner.best_hyperparameters"], "best_hyperparameters.txt")
    assert json.loads(given.read_text()).keys() == json.loads(found.read_text()).keys()


@NIGHTLY
def test_trainer(sides: Sides) -> None:
    """TFX's model passes our gates, and the template's run_fn makes one by our training that does."""
    assert sides.ours["their_model_is_open"]
    assert sides.ours["their_model_is_served"]
    assert sides.ours["template_is_open"]


@NIGHTLY
def test_evaluator(sides: Sides) -> None:
    """TFX's Evaluator measures our model as evaluate_model does, and TFMA reads both results."""
    import tensorflow_model_analysis as tfma

    ours = json.loads(Path(sides.ours["evaluation"], "metrics.json").read_text())
    accuracy = ours["overall"]["candidate"]["sparse_categorical_accuracy"]
    for place in (sides.read["Evaluator.evaluation"], f"{sides.ours['evaluation']}/tfma"):
        metrics = dict(tfma.load_eval_result(place).slicing_metrics)[()][""][""]
        assert metrics["sparse_categorical_accuracy"]["doubleValue"] == pytest.approx(accuracy, abs=1e-6)
    assert Path(sides.read["Evaluator.blessing"], "BLESSED").is_file() == sides.ours["is_open"]


@NIGHTLY
def test_infra_validator(sides: Sides, tmp_path: Path, serving: Any) -> None:
    """Our server passes InfraValidator's check: TFX's own requests, sent by its own client for TensorFlow Serving."""
    endpoint = serving(Path(sides.ours["store"]))
    given = tmp_path / "given.json"
    question = {
        "model": sides.ours["model"],
        "examples": sides.ours["examples"],
        "name": "ours",
        "endpoint": endpoint,
        "deadline": time.time() + 300,
    }
    given.write_text(json.dumps(question))
    assert _made("theirs", "ask", str(given), folder=tmp_path)["requests"] == "20"


@pytest.fixture
def serving() -> Iterator[Any]:
    """Return a function that serves a store's models over gRPC and returns the address."""
    from tests.free_port import free_port

    servers = []

    def start(store: Path) -> str:
        port = free_port()
        command = [
            str(Path(sys.executable).parent / "mlops"),
            "serve",
            "--all",
            "--port",
            "0",
            "--grpc-port",
            str(port),
        ]
        environment = {**os.environ, "MLOPS_HOME": str(store), "MLOPS_WARM": "off"}
        servers.append(subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL))
        return f"127.0.0.1:{port}"

    yield start
    for server in servers:
        server.terminate()
        server.wait(60)


@NIGHTLY
def test_pusher(sides: Sides) -> None:
    """TFX pushed our model because our gate was open, with the bytes that our registry published."""
    from core.backends.registry import open_registry

    (pushed,) = (sides.folder / "read" / "pushed").iterdir()
    champion = open_registry(str(Path(sides.ours["store"]) / "models")).champion("ours")
    assert champion is not None
    assert _files(pushed) == {name: one for name, one in _files(champion.path).items() if name in _files(pushed)}
    assert _files(pushed) == _files(Path(sides.ours["model"], SERVING))
    (foreign,) = (sides.folder / "theirs" / "pushed").iterdir()
    registry = open_registry(str(sides.folder / "registry"))
    assert registry.publish("theirs", foreign, {}).version == 1


def _files(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): digest.of_file(path) for path in folder.rglob("*") if path.is_file()}


def _predictions(folder: str, output: str) -> dict[bytes, list[float]]:
    import tensorflow as tf
    from tensorflow_serving.apis import prediction_log_pb2

    found = {}
    for record in _records(folder):
        log = prediction_log_pb2.PredictionLog.FromString(record).predict_log
        (given,) = log.request.inputs.values()
        for row, scores in zip(
            tf.make_ndarray(given).ravel(), tf.make_ndarray(log.response.outputs[output]), strict=True
        ):
            found[row] = scores.ravel().tolist()
    return found


@NIGHTLY
@pytest.mark.parametrize(
    ("theirs", "ours", "output"),
    [
        (("read", "BulkInferrer.inference_result"), "inference_result", "scores"),
        (("theirs", "BulkInferrer.inference_result"), "their_model_inferred", "outputs"),
    ],
    ids=["our model", "their model"],
)
def test_bulk_inferrer(sides: Sides, theirs: tuple[str, str], ours: str, output: str) -> None:
    """Both predict the same numbers with the same model and write them as the same messages."""
    expected = _predictions(getattr(sides, theirs[0])[theirs[1]], output)
    got = _predictions(sides.ours[ours], output)
    common = expected.keys() & got.keys()
    assert len(common) > 20
    for row in common:
        assert got[row] == pytest.approx(expected[row], abs=1e-5)


@NIGHTLY
def test_resolver(sides: Sides) -> None:
    """Both record in one ML Metadata file, and each finds its own there: we a version's run, TFX its blessed model."""
    from datetime import UTC, datetime

    from core.backends.metadata import RunFacts, TaskFacts, open_metadata, release

    path = sides.folder / "theirs" / "metadata.sqlite"
    pushed = TaskFacts(
        "push-model", "push_model", "SUCCEEDED", outputs={"pushed": release("penguin", 1, "sha256:1", "/m")}
    )
    run = RunFacts("run-1", "level1", "SUCCEEDED", datetime.now(UTC), tasks=(pushed,))
    metadata = open_metadata(path)
    metadata.record(run)
    assert metadata.lineage("penguin", 1, "sha256:1").run.run_id == "run-1"
    (sides.folder / "resolver").mkdir()
    shutil.copyfile(path, sides.folder / "resolver" / path.name)
    _made("theirs", "resolve", str(sides.folder / "nothing.json"), folder=sides.folder / "resolver")
    (found,) = (sides.folder / "resolver" / "resolved").iterdir()
    assert _files(found) == _files(Path(sides.theirs["Trainer.model"], SERVING))
