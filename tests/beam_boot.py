"""Starts a worker of Beam as its containers do: in a folder of its own, with the code that the job staged and no other.

The command line is that of Beam's container contract. What a container's image would hold, the installed libraries, is
this environment's; what `.pth` files add to them, such as this checkout, is not.
"""

import argparse
import os
import sys
import sysconfig
import zipfile
from pathlib import Path
from typing import Any

import grpc
from apache_beam.portability.api import beam_artifact_api_pb2 as artifacts
from apache_beam.portability.api import beam_artifact_api_pb2_grpc as artifacts_grpc
from apache_beam.portability.api import beam_provision_api_pb2 as provision
from apache_beam.portability.api import beam_provision_api_pb2_grpc as provision_grpc
from google.protobuf import json_format, text_format

from apache_beam.portability.api import beam_runner_api_pb2, endpoints_pb2  # isort: skip

FOLDER = "MLOPS_TEST_WORKERS"
"""Environment variable: where each worker gets its folder."""


def main() -> None:
    parser = argparse.ArgumentParser()
    for name in ("id", "logging_endpoint", "artifact_endpoint", "provision_endpoint", "control_endpoint"):
        parser.add_argument(f"--{name}", required=True)
    asked = parser.parse_args()
    folder = Path(os.environ[FOLDER]) / asked.id
    packages = folder / "packages"
    packages.mkdir(parents=True)
    metadata = (("worker_id", asked.id),)
    with grpc.insecure_channel(asked.provision_endpoint) as channel:
        stub = provision_grpc.ProvisionServiceStub(channel)
        info = stub.GetProvisionInfo(provision.GetProvisionInfoRequest(), metadata=metadata).info
    with grpc.insecure_channel(asked.artifact_endpoint) as channel:
        _install(artifacts_grpc.ArtifactRetrievalServiceStub(channel), info.dependencies, packages)
    environment = {
        **os.environ,
        "WORKER_ID": asked.id,
        "CONTROL_API_SERVICE_DESCRIPTOR": _endpoint(asked.control_endpoint),
        "LOGGING_API_SERVICE_DESCRIPTOR": _endpoint(asked.logging_endpoint),
        "PIPELINE_OPTIONS": json_format.MessageToJson(info.pipeline_options),
        "SEMI_PERSISTENT_DIRECTORY": str(folder),
        "PYTHONPATH": os.pathsep.join((str(packages), sysconfig.get_path("purelib"))),
    }
    os.chdir(folder)
    # -S: without site, and so without what .pth files add.
    os.execve(sys.executable, [sys.executable, "-S", "-m", "apache_beam.runners.worker.sdk_worker_main"], environment)


def _install(stub: Any, dependencies: Any, packages: Path) -> None:
    for dependency in stub.ResolveArtifacts(artifacts.ResolveArtifactsRequest(artifacts=dependencies)).replacements:
        content = b"".join(one.data for one in stub.GetArtifact(artifacts.GetArtifactRequest(artifact=dependency)))
        name = beam_runner_api_pb2.ArtifactStagingToRolePayload.FromString(dependency.role_payload).staged_name
        if name.endswith(".whl"):
            path = packages.parent / name
            path.write_bytes(content)
            with zipfile.ZipFile(path) as wheel:
                wheel.extractall(packages)


def _endpoint(url: str) -> str:
    return text_format.MessageToString(endpoints_pb2.ApiServiceDescriptor(url=url))


if __name__ == "__main__":
    main()
