"""What a Dataflow job would get: its options, the files that are staged for workers, and the graph.

No job is submitted, so what Dataflow does with it is not seen here.
"""

import os
import re
from pathlib import Path
from typing import Any

import pytest

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
