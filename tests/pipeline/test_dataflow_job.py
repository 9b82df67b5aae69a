"""What a Dataflow job would get: its options, the files that are staged for workers, and the graph.

No job is submitted, so what Dataflow does with it is not seen here.
"""

import os
import re
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from artifacts.examples.manifest import ExamplesManifest, Shard
from artifacts.examples.names import WHOLE
from artifacts.labels.row_key import RowKey
from artifacts.spans.files import SourceFile, SpanWindow
from artifacts.spans.read_options import ReadOptions
from components.ingest_examples import with_beam as ingest
from components.ingest_examples.assignment import SplitKey
from components.ingest_examples.ingestion import Ingestion
from components.ingest_examples.parts import Part
from core.beam.settings import Runner

GOLDEN = Path(__file__).parent / "golden"
RUNNER = Runner(
    runner="DataflowRunner",
    options={
        "project": "my-project",
        "region": "europe-west4",
        "temp_location": "gs://bucket/temp",
        "max_num_workers": 20,
        "sdk_container_image": "europe-west4-docker.pkg.dev/my-project/mlops/tfx@sha256:0",
        "service_account_email": "beam@my-project.iam.gserviceaccount.com",
        "no_auth": True,
    },
    work="gs://bucket/work",
    connect_seconds=600,
)


class _Submitted(Exception):
    """Stops a stage once its job was built."""


@pytest.fixture
def jobs(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The jobs that would be sent."""
    from apache_beam.options.pipeline_options import GoogleCloudOptions
    from apache_beam.runners.dataflow.internal import apiclient

    found: list[Any] = []

    class Job(apiclient.Job):
        def __init__(self, options: Any, proto: Any) -> None:
            super().__init__(options, proto)
            found.append((options, proto))
            raise _Submitted

    monkeypatch.setattr(apiclient, "Job", Job)
    monkeypatch.setattr(GoogleCloudOptions, "_warn_if_soft_delete_policy_enabled", lambda *_: None)  # asks the bucket
    monkeypatch.setattr("core.object_stores.locations.remove", lambda _: None)
    return found


def described(options: Any, proto: Any) -> str:
    """Return a job as text, without what differs from one commit or machine to the next."""
    kept = options.get_all_options(drop_default=True)
    for name in ("extra_packages", "job_name", "beam_plugins", "pipeline_type_check"):
        kept.pop(name, None)
    lines = ["# options"]
    lines += [re.sub(r"beamapp-[^/]*", "<job>", f"{name}: {value}") for name, value in sorted(kept.items())]
    lines += ["", "# staged files"]
    for environment in proto.components.environments.values():
        names = {os.path.basename(_path(one)) for one in environment.dependencies}  # noqa: PTH119
        lines += sorted(re.sub(r"[0-9a-f]{16}", "<digest>", name) for name in names if name.endswith(".whl"))
    lines += ["", "# transforms, without those inside of the libraries' own"]
    names = {one.unique_name for one in proto.components.transforms.values()}
    lines += sorted(name for name in names if name and name.count("/") <= 1)
    return "\n".join(lines) + "\n"


def _path(dependency: Any) -> str:
    from apache_beam.portability.api import beam_runner_api_pb2

    return str(beam_runner_api_pb2.ArtifactFilePayload.FromString(dependency.type_payload).path)


def check(name: str, jobs: list[Any]) -> None:
    got, path = described(*jobs[0]), GOLDEN / f"dataflow-{name}.txt"
    if os.environ.get("REFRESH_GOLDEN"):
        path.write_text(got, encoding="utf-8")
    assert got == path.read_text(encoding="utf-8"), "REFRESH_GOLDEN=1 pytest tests/pipeline/test_dataflow_job.py"


def test_ingestion(jobs: list[Any]) -> None:
    file = SourceFile(1, "gs://bucket/data/span-1/a.parquet", "span-1/a.parquet")
    window = SpanWindow("gs://bucket/data/span-{SPAN}/*.parquet", (1,), (file,))
    shares = {1: (("train", 70.0), ("validation", 10.0), ("eval", 20.0))}
    ingestion = Ingestion("parquet", ReadOptions({}), SplitKey(RowKey(("id",), ())), shares, (), 0)
    with pytest.raises(_Submitted):
        ingest.ingest_with_beam(RUNNER, ingestion, window, [Part(1, WHOLE, (file,))], "gs://bucket/run/examples")
    check("ingest_examples", jobs)


SCHEMA = """
feature { name: "late" type: INT presence { min_fraction: 1 min_count: 1 } shape { dim { size: 1 } } }
feature { name: "hour" type: INT presence { min_fraction: 1 min_count: 1 } shape { dim { size: 1 } } }
feature { name: "text" type: BYTES natural_language_domain {} presence { min_fraction: 1 } shape { dim { size: 1 } } }
"""
MODULE = """
import tensorflow_transform as tft

def preprocessing_fn(inputs):
    return {"hour": tft.scale_to_z_score(inputs["hour"]), "late": inputs["late"]}
"""
EXAMPLES = "gs://bucket/run/examples"
SHARDS = tuple(
    Shard(name=f"Split-{split}/span-00001-{number:05d}", split=split, span=1, records=100, sha256="")
    for split in ("train", "eval")
    for number in range(2)
)


@pytest.fixture
def schema(monkeypatch: pytest.MonkeyPatch) -> schema_pb2.Schema:
    """The schema of examples in a bucket, whose manifest is known without asking it."""
    manifest = ExamplesManifest(
        source="test", data="", spans=(1,), wanted_spans=1, split_by="hash", rejected=0, shards=SHARDS
    )
    monkeypatch.setattr(ExamplesManifest, "read", lambda _: manifest)
    monkeypatch.setattr("core.object_stores.locations.write", lambda *_, **__: None)
    return text_format.Parse(SCHEMA, schema_pb2.Schema())


def test_statistics(jobs: list[Any], schema: schema_pb2.Schema) -> None:
    from components.compute_statistics.serving import Served
    from components.compute_statistics.with_beam import Inputs, describe_with_beam

    files = tuple(SourceFile(0, f"gs://bucket/served/{name}", name) for name in ("a.gz", "b.gz"))
    inputs = Inputs(EXAMPLES, schema, 8192, Served("gs://bucket/served/*.gz", files, "sha256:0"))
    with pytest.raises(_Submitted):
        describe_with_beam(RUNNER, inputs, "gs://bucket/run/statistics")
    check("compute_statistics", jobs)


@pytest.mark.nightly("imports of TFX's libraries")
def test_the_analysis_stages_the_use_case(jobs: list[Any], schema: schema_pb2.Schema, tmp_path: Path) -> None:
    """Its graphs go to a disk here: building the job writes one already, and no bucket can be reached."""
    from tfx_bsl.tfxio.tf_example_record import TFExampleBeamRecord

    from components.transform_features.analysis import Analysis
    from components.transform_features.preprocessing import ImportedPreprocessing
    from components.transform_features.with_beam import analyze

    (tmp_path / "my_case").mkdir()
    (tmp_path / "my_case" / "module.py").write_text(MODULE)
    reader = TFExampleBeamRecord(physical_format="inmem", telemetry_descriptors=["mlops"], schema=schema)
    imported = ImportedPreprocessing(str(tmp_path / "my_case" / "module.py"), {})
    analysis = Analysis(imported, EXAMPLES, SHARDS[:2], schema, reader.TensorAdapterConfig(), 8192)
    with pytest.raises(_Submitted):
        analyze(RUNNER, analysis, tmp_path / "work")
    check("transform_features", jobs)


@pytest.mark.nightly("imports of TFX's libraries")
def test_transformed_examples(jobs: list[Any], schema: schema_pb2.Schema) -> None:
    from components.transform_features.materialize_with_beam import materialize_with_beam
    from components.transform_features.transformed_shard import Job

    graph = "/gcs/bucket/run/graph"
    job = Job(EXAMPLES, graph, f"{graph}/examples", schema.SerializeToString(), 8192)
    with pytest.raises(_Submitted):
        materialize_with_beam(RUNNER, job, SHARDS, Path(graph))
    check("transform_features-materialized", jobs)


def _evaluation(schema: schema_pb2.Schema) -> Any:
    from components.evaluate_model.beam_scoring import Job
    from components.evaluate_model.config import Baseline, Config

    return Job(
        config=Config(label="late", task="binary_classification", baselines=(Baseline(kind="majority"),)),
        schema=schema.SerializeToString(),
        examples=EXAMPLES,
        candidate="gs://bucket/run/model",
        champion=None,
        first=b"",
        work="gs://bucket/work/1",
    )


@pytest.mark.nightly("imports of TFX's libraries")
def test_evaluation(jobs: list[Any], schema: schema_pb2.Schema) -> None:
    from components.evaluate_model import with_beam

    with pytest.raises(_Submitted):
        with_beam.compute(RUNNER, _evaluation(schema))
    check("evaluate_model", jobs)


@pytest.mark.nightly("imports of TFX's libraries")
def test_inference(jobs: list[Any], schema: schema_pb2.Schema, tmp_path: Path) -> None:
    from components.infer_bulk.config import Config
    from components.infer_bulk.engine import Job
    from components.infer_bulk.predictor import Model
    from components.infer_bulk.progress import Progress
    from components.infer_bulk.shards import divide
    from components.infer_bulk.with_beam import Registered, compute_with_beam

    progress = Progress(tmp_path, "gs://bucket/inferences/1")
    model = Model("flights", 1, "sha256:0", tmp_path, Config(), schema.SerializeToString())
    shards = divide(ExamplesManifest.read(EXAMPLES), (), 60)
    with pytest.raises(_Submitted):
        job = Job(EXAMPLES, model, progress.folders)
        compute_with_beam(RUNNER, job, progress, shards, Registered("gs://bucket/models", "flights/1"))
    check("infer_bulk", jobs)


@pytest.mark.nightly("imports of TFX's libraries")
def test_scores_of_the_monitor(jobs: list[Any], schema: schema_pb2.Schema, tmp_path: Path) -> None:
    from artifacts.predictions.split import Splits
    from components.monitor_model.config import Config, Staleness
    from components.monitor_model.evaluated import Subject
    from components.monitor_model.with_beam import evaluated_with_beam
    from core.backends.registry import ModelVersion

    version = ModelVersion("flights", 1, tmp_path, "sha256:0", "")
    staleness = Staleness(max_model_age_days=1, why="a job that is built")
    config = Config(staleness=staleness, label="late", task="binary_classification", metrics=())
    with pytest.raises(_Submitted):
        evaluated_with_beam(RUNNER, config, Subject(version, "gs://bucket/models", Splits(EXAMPLES, schema)), tmp_path)
    check("monitor_model", jobs)
