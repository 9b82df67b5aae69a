"""What a run cannot do is found before anything runs, with the way around; what it can do otherwise it accepts."""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from kfp import dsl, kubernetes

import localrun
from localrun import Environment, Options, Run, State, UnsupportedPipeline
from localrun.commands.main import main
from localrun.errors import InvalidPipeline, ParameterError
from localrun.events import Noted

Go = Callable[..., Run]
Compiled = Callable[[Any], Path]


@dsl.component(base_image="python:3.11")
def echo(text: str) -> str:
    return text


@dsl.component(base_image="python:3.11")
def pick() -> str:
    return "water"


@dsl.component(base_image="python:3.11")
def read(data: dsl.Input[dsl.Dataset], after: str = "") -> str:
    return open(data.path).read()


@dsl.component(base_image="python:3.11")
def secret() -> str:
    import os

    return f"{os.environ.get('DB_PASSWORD')} {os.environ.get('OTHER')}"


@dsl.component(base_image="python:3.11")
def bye() -> None:
    pass


@dsl.container_component
def args_only() -> dsl.ContainerSpec:
    return dsl.ContainerSpec(image="my/tool:1", args=["echo", "this"])


@dsl.container_component
def nothing() -> dsl.ContainerSpec:
    return dsl.ContainerSpec(image="hello-world")


@dsl.container_component
def named(text: str) -> dsl.ContainerSpec:
    return dsl.ContainerSpec(image="my/tool:1", command=["echo", "a"], args=[text])


@pytest.fixture
def python(project: Path) -> dict[str, Environment]:
    return dict.fromkeys(("python", "my/tool", "hello-world"), Environment(cwd=project, holds_folder=False))


def loop_in_two_ifs() -> Any:
    @dsl.pipeline(name="two-ifs")
    def pipeline() -> None:
        chosen = pick()
        with dsl.If(chosen.output == "water"), dsl.If(chosen.output != "x"), dsl.ParallelFor([1]) as item:
            echo(text=f"{chosen.output} {item}")

    return pipeline


def field_in_an_exit_handler() -> Any:
    @dsl.pipeline(name="exit")
    def pipeline() -> None:
        with dsl.ExitHandler(bye()), dsl.ParallelFor([{"a": "x"}]) as item:
            echo(text=item.a)

    return pipeline


@pytest.mark.parametrize("leaks", [loop_in_two_ifs, field_in_an_exit_handler])
def test_a_fault_of_the_compiler_is_named_as_one(compiled: Compiled, leaks: Callable[[], Any]) -> None:
    with pytest.raises(InvalidPipeline, match=r"kfp's compiler hands the item .* \(kubeflow/pipelines#13273\)"):
        localrun.load(compiled(leaks()))


def test_the_way_around_a_fault_of_the_compiler_works(go: Go, python: dict[str, Environment]) -> None:
    @dsl.pipeline
    def inner(kind: str) -> None:
        with dsl.ParallelFor([{"a": "x"}]) as item:
            echo(text=item.a)
        with dsl.ParallelFor([1]) as number:
            echo(text=f"{kind} {number}")

    @dsl.pipeline(name="around")
    def pipeline() -> None:
        chosen = pick()
        with dsl.ExitHandler(bye()), dsl.If(chosen.output == "water"), dsl.If(chosen.output != "x"):
            inner(kind=chosen.output)

    run = go(pipeline, environments=python)
    assert run.state is State.SUCCEEDED, run.error
    assert {task.outputs.parameters["Output"] for task in run.tasks if "echo" in task.name} == {"x", "water 1"}


@dsl.component(base_image="python:3.11")
def compute_the_attributions_of_every_feature_of_the_validation_split_for_every_model(
    n: int,
) -> NamedTuple("O", list_of_the_attributions_of_every_feature_by_candidate_model=list):  # type: ignore[valid-type]
    return ([{"a": str(i)} for i in range(n)],)  # type: ignore[return-value]


def test_names_that_the_compiler_joins_to_long_ones_run(go: Go, python: dict[str, Environment]) -> None:
    @dsl.pipeline(name="long")
    def pipeline() -> None:
        made = compute_the_attributions_of_every_feature_of_the_validation_split_for_every_model(n=2)
        with dsl.ParallelFor(made.outputs["list_of_the_attributions_of_every_feature_by_candidate_model"]) as item:
            echo(text=item.a)

    run = go(pipeline, environments=python)
    assert [task.outputs.parameters["Output"] for task in run.tasks if task.name == "echo"] == ["0", "1"]


@pytest.mark.parametrize("component", [args_only, nothing])
def test_a_command_that_stands_only_in_the_image_is_refused(
    component: Any, compiled: Compiled, python: dict[str, Environment]
) -> None:
    @dsl.pipeline(name="entry")
    def pipeline() -> None:
        component()

    with pytest.raises(UnsupportedPipeline, match=r"its command stands only in the image .*: --docker"):
        localrun.validate(compiled(pipeline), environments=python)


def test_docker_gets_what_a_cluster_would(
    compiled: Compiled, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, python: dict[str, Environment]
) -> None:
    """The image's own entrypoint where the pipeline has no command; the image that a parameter chooses."""
    script = (
        f"#!{sys.executable}\nimport json, sys\n"
        "if sys.argv[1] == 'run':\n"
        f"    open({str(tmp_path / 'arguments')!r}, 'a').write(json.dumps(sys.argv) + '\\n')\n"
        "else:\n    print('1')\n"
    )
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/docker").write_text(script)
    (tmp_path / "bin/docker").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr("localrun.environments.environment._FIXED", {"LANG": "C.UTF-8", "TZ": "UTC"})

    @dsl.pipeline(name="images")
    def pipeline(tool: str = "my/tool:2") -> None:
        args_only()
        nothing()
        named(text="b")
        named(text="c").set_container_image(tool)

    run = localrun.run(compiled(pipeline), store=tmp_path / "store", environments={})
    assert run.state is State.SUCCEEDED, [task.error for task in run.tasks]
    started = [json.loads(line) for line in (tmp_path / "arguments").read_text().splitlines()]
    ends = {tuple(arguments[next(n for n, word in enumerate(arguments) if word in IMAGES) :]) for arguments in started}
    entries = {arguments[arguments.index("--entrypoint") + 1] for arguments in started if "--entrypoint" in arguments}
    assert ends == {
        ("my/tool:1", "echo", "this"),
        ("hello-world",),
        ("my/tool:1", "a", "b"),
        ("my/tool:2", "a", "c"),
    }
    assert entries == {"echo"}
    assert run.task("named-2").image == "my/tool:2"


IMAGES = {"my/tool:1", "my/tool:2", "hello-world"}


def test_an_image_that_a_task_chooses_is_refused(compiled: Compiled, python: dict[str, Environment]) -> None:
    @dsl.pipeline(name="late")
    def pipeline(tool: str = "python:3.11") -> None:
        echo(text="a").set_container_image(pick().output)

    with pytest.raises(UnsupportedPipeline, match="is known only when other tasks have run"):
        localrun.validate(compiled(pipeline), environments=python)


@pytest.mark.parametrize("address", ["gs://bucket/data", "s3://bucket/data"])
def test_a_remote_import_is_found_before_anything_runs(
    address: str, compiled: Compiled, tmp_path: Path, python: dict[str, Environment]
) -> None:
    @dsl.pipeline
    def inner(place: str) -> None:
        read(data=dsl.importer(artifact_uri=place, artifact_class=dsl.Dataset).output)

    @dsl.pipeline(name="imports")
    def pipeline(address: str) -> None:
        inner(place=address).after(pick())

    path = compiled(pipeline)
    with pytest.raises(UnsupportedPipeline, match=f"inner/importer: importing '{address}' is not supported"):
        localrun.run(path, {"address": address}, store=tmp_path / "s", environments=python)
    assert localrun.runs(tmp_path / "s") == []
    localrun.validate(path, {"address": f"file://{tmp_path}"}, environments=python)


@pytest.fixture
def wants(compiled: Compiled) -> Path:
    @dsl.pipeline(name="wants")
    def pipeline(data: dsl.Input[dsl.Dataset]) -> None:
        read(data=data, after=pick().output)

    return compiled(pipeline)


def test_an_input_artifact_of_the_pipeline_is_given_as_a_path(
    go: Go, wants: Path, tmp_path: Path, python: dict[str, Environment], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ParameterError, match=r"no artifact for the input 'data' .* -a data=PATH"):
        go(wants, environments=python)
    with pytest.raises(ParameterError, match="artifact 'data': nothing is at /nowhere"):
        go(wants, {"data": "/nowhere"}, environments=python)
    (tmp_path / "table.csv").write_text("1,2")
    run = go(wants, {"data": tmp_path / "table.csv"}, environments=python)
    assert run.task("read").outputs.parameters == {"Output": "1,2"}
    assert all(task.cached for task in go(wants, {"data": str(tmp_path / "table.csv")}, environments=python).tasks)
    (tmp_path / "table.csv").write_text("3,4")
    assert not go(wants, {"data": tmp_path / "table.csv"}, environments=python).task("read").cached
    arguments = [str(wants), "--store", str(tmp_path / "s"), "--validate"]
    assert main([*arguments, "-a", f"dota={tmp_path}"]) == 2
    assert "no input artifact 'dota'; did you mean 'data'?" in capsys.readouterr().err
    assert main([*arguments, "-a", f"data={tmp_path}/table.csv"]) == 0


def test_a_resumed_run_has_its_input_artifacts(
    wants: Path, tmp_path: Path, python: dict[str, Environment], hosts: localrun.Hosts
) -> None:
    (tmp_path / "table.csv").write_text("1,2")
    run_id = localrun.create(wants, {"data": tmp_path / "table.csv"}, store=tmp_path / "s")
    run = localrun.resume(run_id, store=tmp_path / "s", environments=python, options=Options(hosts=hosts))
    assert run.task("read").outputs.parameters == {"Output": "1,2"}


def test_what_is_accepted_runs_with_a_warning(
    go: Go, compiled: Compiled, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, python: dict[str, Environment]
) -> None:
    @dsl.component(base_image="python:3.11", packages_to_install=["packaging==1.0"])
    def pinned() -> str:
        return "ran"

    @dsl.pipeline(name="asks")
    def pipeline() -> None:
        pinned().set_accelerator_type("NVIDIA_TESLA_T4").set_accelerator_limit(1)
        asks = secret()
        kubernetes.use_secret_as_env(asks, secret_name="db", secret_key_to_env={"password": "DB_PASSWORD"})
        kubernetes.use_secret_as_volume(asks, secret_name="key", mount_path=str(tmp_path))
        secret()

    path = compiled(pipeline)
    monkeypatch.setenv("OTHER", "not passed on")
    accept: list[str] = []
    for kind in ("accelerator", "secret", "packages"):
        if kind == "packages":
            with pytest.raises(UnsupportedPipeline, match="the secret db/password is not on this machine; set the var"):
                localrun.validate(
                    path, environments=python, options=Options(accept=["accelerator", "secret", "packages"])
                )
            monkeypatch.setenv("DB_PASSWORD", "open sesame")
        with pytest.raises(UnsupportedPipeline, match=rf"--accept {kind}"):
            localrun.validate(path, environments=python, options=Options(accept=accept))
        accept.append(kind)
    with pytest.raises(ParameterError, match=r"accept 'secrets': .* did you mean 'secret'"):
        localrun.validate(path, environments=python, options=Options(accept=["secrets"]))
    notes: list[str] = []
    run = go(
        path,
        environments=python,
        accept=accept,
        on_event=lambda event: notes.append(event.text) if isinstance(event, Noted) else None,
    )
    assert run.state is State.SUCCEEDED, [task.error for task in run.tasks]
    warnings = [note for note in notes if note.startswith("warning: ")]
    assert len(warnings) == 4
    assert any("packaging==1.0" in warning and "is installed" in warning for warning in warnings)
    assert run.task("secret").outputs.parameters == {"Output": "open sesame None"}
    assert run.task("secret-2").outputs.parameters == {"Output": "None None"}
    assert run.task("secret").not_cached == "it is given a secret, of which nothing is kept"
    kept = [p for p in (tmp_path / "store").rglob("*") if p.is_file() and b"sesame" in p.read_bytes()]
    assert {p.name for p in kept} <= {
        "run.json",
        "run.html",
        "localrun.sqlite",
        "localrun.sqlite-wal",
        "executor_output.json",
        "log.txt",
    }


def test_a_boolean_passes_for_a_number_as_in_python(go: Go, python: dict[str, Environment]) -> None:
    @dsl.component(base_image="python:3.11")
    def numbers() -> NamedTuple("N", i=int, f=float, g=float, b=bool):  # type: ignore[valid-type]
        return True, True, 2, True  # type: ignore[return-value]

    @dsl.pipeline(name="numbers")
    def pipeline() -> None:
        numbers()

    found = go(pipeline, environments=python).task("numbers").outputs.parameters
    assert json.dumps(found, sort_keys=True) == '{"b": true, "f": 1.0, "g": 2.0, "i": 1}'
