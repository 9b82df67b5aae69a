"""What a task says it made is checked before anybody else sees it."""

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from kfp import dsl

from localrun import Run, State

Go = Callable[..., Run]


@pytest.fixture
def says(compiled: Callable[[Any], Path]) -> Path:
    """A component that writes any executor output it is given."""

    @dsl.container_component
    def say(output: str, data: dsl.Output[dsl.Dataset], number: dsl.OutputPath(int)) -> dsl.ContainerSpec:  # type: ignore[valid-type]
        place = dsl.PIPELINE_TASK_EXECUTOR_OUTPUT_PATH_PLACEHOLDER
        return dsl.ContainerSpec(
            image="alpine", command=["sh", "-c", 'printf "%s" "$0" > "$1"'], args=[output, place, data.path, number]
        )

    @dsl.container_component
    def look(data: dsl.Input[dsl.Dataset], said: dsl.OutputPath(str)) -> dsl.ContainerSpec:  # type: ignore[valid-type]
        rows = "{{$.inputs.artifacts['data'].metadata['rows']}}"
        return dsl.ContainerSpec(
            image="alpine", command=["sh", "-c", 'printf "%s %s" "$0" "$1" > "$2"'], args=[data.uri, rows, said]
        )

    @dsl.pipeline(name="says")
    def pipeline(output: str) -> None:
        look(data=say(output=output).outputs["data"])

    return compiled(pipeline)


def artifact(**said: object) -> str:
    return json.dumps({"artifacts": {"data": {"artifacts": [said]}}})


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ("not json", "no readable executor output"),
        (
            json.dumps({"parameterValues": {"other": 1}}),
            "an output parameter 'other' that its component does not declare",
        ),
        (json.dumps({"parameterValues": {"number": "1"}}), "output parameter 'number': wanted an integer, got '1'"),
        (json.dumps({"parameterValues": {"number": 1.5}}), "output parameter 'number': wanted an integer, got 1.5"),
        (artifact(metadata={"auc": float("nan")}), "metadata of output 'data'.auc: wanted a finite number"),
        (artifact(uri="/nowhere/at/all"), "output 'data' is reported at /nowhere/at/all, which does not exist"),
    ],
)
def test_an_output_that_does_not_fit_fails_the_task(go: Go, says: Path, output: str, message: str) -> None:
    run = go(says, {"output": output})
    assert (run.task("say").state, run.task("look").state) == (State.FAILED, State.UPSTREAM_FAILED)
    assert message in run.task("say").error


def test_an_output_elsewhere_is_passed_on_but_never_cached_downstream(go: Go, says: Path, tmp_path: Path) -> None:
    output = artifact(uri="gs://bucket/data", metadata={"rows": 3.0})
    for _ in range(2):
        run = go(says, {"output": output})
        look = run.task("look")
        assert (look.outputs.parameters, look.cached) == ({"said": "gs://bucket/data 3"}, False)
    (tmp_path / "own").write_text("a")
    run = go(says, {"output": artifact(uri=f"file://{tmp_path}/own", metadata={"rows": 1})})
    assert run.task("look").outputs.parameters == {"said": f"{tmp_path}/own 1"}
    assert run.task("say").outputs.artifacts["data"].digest


@pytest.mark.parametrize(
    ("content", "message"),
    [("twelve", "wanted a NUMBER_INTEGER, got 'twelve'"), ("1.5", "wanted an integer, got 1.5")],
)
def test_a_parameter_file_that_does_not_fit_fails_the_task(
    go: Go, stages: ModuleType, content: str, message: str
) -> None:
    @dsl.container_component
    def write(content: str, number: dsl.OutputPath(int)) -> dsl.ContainerSpec:  # type: ignore[valid-type]
        return dsl.ContainerSpec(
            image="alpine", command=["sh", "-c", 'printf "%s" "$0" > "$1"'], args=[content, number]
        )

    @dsl.pipeline(name="files")
    def pipeline(content: str) -> None:
        write(content=content)

    assert message in go(pipeline, {"content": content}).task("write").error


@pytest.mark.parametrize(
    ("uri", "message"),
    [("/nowhere/at/all", "cannot import /nowhere/at/all: nothing is there"), ("gs://a/b", "wanted a path or file://")],
)
def test_what_cannot_be_imported_is_named(go: Go, stages: ModuleType, uri: str, message: str) -> None:
    @dsl.pipeline(name="imports")
    def pipeline(uri: str) -> None:
        place = stages.echo(text=uri).output  # known only in the run
        stages.read(data=dsl.importer(artifact_uri=place, artifact_class=dsl.Dataset, reimport=False).output)

    run = go(pipeline, {"uri": uri})
    assert message in run.task("importer").error
    assert run.task("read").state is State.UPSTREAM_FAILED


def test_a_condition_that_cannot_be_decided_fails_the_run_and_closes_nothing_silently(
    go: Go, stages: ModuleType, compiled: Callable[[Any], Path]
) -> None:
    @dsl.pipeline(name="undecidable")
    def pipeline(text: str = "a") -> None:
        with dsl.If(text == "a"):
            stages.echo(text="inside")

    path = compiled(pipeline)
    spec = yaml.safe_load(path.read_text())
    spec["root"]["dag"]["tasks"]["condition-1"]["triggerPolicy"]["condition"] = (
        "inputs.parameter_values['pipelinechannel--text'] == 1"
    )
    path.write_text(yaml.safe_dump(spec))
    run = go(path)
    assert run.state is State.FAILED
    assert run.error.startswith("condition-1: condition ")
    assert run.error.endswith("'a' == 1 compares a str with a int")
    assert run.task("echo").state is State.UPSTREAM_FAILED


def test_a_program_that_is_not_there_is_named(go: Go) -> None:
    @dsl.container_component
    def nothing() -> dsl.ContainerSpec:
        return dsl.ContainerSpec(image="alpine", command=["no-such-program-at-all"])

    @dsl.pipeline(name="missing")
    def pipeline() -> None:
        nothing()

    assert "no-such-program-at-all: cannot be started: No such file" in go(pipeline).task("nothing").error
