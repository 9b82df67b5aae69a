"""The parameters, images and places of a run are checked before anything runs."""

import json
from pathlib import Path

import pytest

import localrun
from localrun import Environment, UnsupportedPipeline
from localrun.environments import docker
from localrun.environments.environment import image_name, in_any_registry
from localrun.errors import ParameterError


def pipeline(folder: Path, image: str = "test/data") -> Path:
    """Write a pipeline that declares parameters of every type."""
    spec = {
        "components": {"comp-echo": {"executorLabel": "exec-echo"}},
        "deploymentSpec": {"executors": {"exec-echo": {"container": {"image": image, "command": ["true"]}}}},
        "pipelineInfo": {"name": "typed"},
        "root": {
            "dag": {"tasks": {"echo": {"componentRef": {"name": "comp-echo"}}}},
            "inputDefinitions": {"parameters": PARAMETERS},
        },
        "schemaVersion": "2.1.0",
    }
    path = folder / "pipeline.json"
    path.write_text(json.dumps(spec))
    return path


PARAMETERS = {
    "count": {"parameterType": "NUMBER_INTEGER", "defaultValue": 3.0, "isOptional": True},
    "rate": {"parameterType": "NUMBER_DOUBLE"},
    "names": {"parameterType": "LIST", "isOptional": True},
    "flag": {"parameterType": "BOOLEAN", "isOptional": True},
    "settings": {"parameterType": "STRUCT", "isOptional": True},
    "word": {"parameterType": "STRING", "isOptional": True},
}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "no value for parameter 'rate'"),
        ({"rate": 1, "cuont": 1}, "no parameter 'cuont'; did you mean 'count'?"),
        ({"rate": "1"}, "parameter 'rate': wanted a number, got '1' (str)"),
        ({"rate": True}, "wanted a number, got True"),
        ({"rate": float("nan")}, "wanted a number, got nan"),
        ({"rate": 1, "count": 1.0}, "parameter 'count': wanted an integer, got 1.0 (float)"),
        ({"rate": 1, "count": True}, "wanted an integer, got True"),
        ({"rate": 1, "names": "a"}, "wanted a list"),
        ({"rate": 1, "flag": 1}, "wanted true or false, got 1"),
        ({"rate": 1, "settings": {"a": {1: 2}}}, "parameter 'settings'.a: wanted string keys"),
        ({"rate": 1, "settings": {"a": [float("inf")]}}, "parameter 'settings'.a[0]: wanted a finite number"),
        ({"rate": 1, "settings": {"a": object()}}, "wanted JSON data"),
        ({"rate": 1, "word": 5}, "wanted a string, got 5"),
    ],
)
def test_parameters_are_checked_before_anything_runs(tmp_path: Path, given: dict[str, object], message: str) -> None:
    path = pipeline(tmp_path)
    with pytest.raises(ParameterError) as error:
        localrun.run(path, given, store=tmp_path / "store", environments={"test/data": Environment(cwd=tmp_path)})
    assert message in str(error.value)
    assert not (tmp_path / "store").exists()


def test_an_image_without_environment_is_named_before_anything_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(docker, "has_engine", lambda: False)
    path = pipeline(tmp_path, "test/date:1.2@sha256:0")
    with pytest.raises(
        UnsupportedPipeline, match=r"no environment for the image 'test/date:1\.2@sha256:0'; did you mean 'test/data'"
    ):
        localrun.run(
            path, {"rate": 1.0}, store=tmp_path / "store", environments={"test/data": Environment(cwd=tmp_path)}
        )
    assert not (tmp_path / "store").exists()


def test_an_environment_stands_for_its_image_in_any_registry(tmp_path: Path) -> None:
    here = {"test/data": Environment(cwd=tmp_path)}
    for image in (
        "test/data:1",
        "localhost/test/data",
        "registry.example/team/test/data@sha256:0",
        "host:5000/test/data:1",
    ):
        assert in_any_registry(localrun.load(pipeline(tmp_path, image)), here)[image_name(image)] is here["test/data"]
    for image in ("other/test/data", "registry.example/latest/data"):
        assert image_name(image) not in in_any_registry(localrun.load(pipeline(tmp_path, image)), here)
