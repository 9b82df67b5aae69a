"""A result is used again when nothing that made it has changed, and never otherwise."""

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kfp import dsl
from localrun_project import make_project

from localrun import Artifact, Environment, Options, Run, State, Values
from localrun.cache.key import cache_key
from localrun.environments.code import CodeFinder
from localrun.spec.pipeline import ArtifactDef, Component, Container, ParameterDef, ParameterType
from localrun.store.digests import Digests

Go = Callable[..., Run]


def cached(run: Run) -> dict[str, bool]:
    assert run.state is State.SUCCEEDED, [task.error for task in run.tasks]
    return {task.path: task.cached for task in run.tasks}


@pytest.fixture
def own(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """A project whose code can be changed: made anew where the tests before had theirs, and their warm process.

    A process holds none of its code: each of its tasks imports that itself.
    """
    project = make_project(tmp_path_factory.getbasetemp() / "own")
    shutil.rmtree(project / "__pycache__", ignore_errors=True)
    (project / "uv.lock").write_text("kfp 2.13")
    return Environment(
        cwd=project, sources={"*": (project / "stages.py",)}, lock=project / "uv.lock", variables={"MODE": "a"}
    )


@pytest.fixture
def chain(stages: ModuleType, compiled: Callable[[Any], Path]) -> Path:
    @dsl.pipeline(name="chain")
    def chain(text: str = "hello", log: str = "") -> None:
        stages.read(data=stages.write(text=text, log=log).outputs["data"], log=log)

    return compiled(chain)


def test_a_second_run_runs_nothing_and_returns_the_same(
    go: Go, chain: Path, own: Environment, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    first = go(chain, environments={"test/data": own})
    later = datetime(2031, 1, 1, tzinfo=UTC)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    moved = replace(own, cwd=Path(os.path.relpath(own.cwd)), variables=dict(reversed([*own.variables.items()])))
    events: list[object] = []
    second = go(chain, environments={"test/data": moved}, clock=lambda: later, on_event=events.append)
    assert cached(second) == {"read": True, "write": True}
    assert [task.outputs for task in second.tasks] == [task.outputs for task in first.tasks]
    assert [task.execution for task in second.tasks] == [task.execution for task in first.tasks]
    assert second.run_id == "chain-20310101000000"
    assert not any("Host" in type(event).__name__ for event in events)


@pytest.mark.parametrize("reference", ["test/data:1", f"test/data@sha256:{'0' * 64}"])
def test_another_tag_of_an_image_that_an_environment_stands_for_changes_nothing(
    go: Go, chain: Path, own: Environment, reference: str
) -> None:
    text = chain.read_text(encoding="utf-8")
    assert "image: test/data\n" in text
    go(chain, environments={"test/data": own})
    chain.write_text(text.replace("image: test/data\n", f"image: {reference}\n"), encoding="utf-8")
    assert cached(go(chain, environments={"test/data": own})) == {"read": True, "write": True}


@pytest.mark.parametrize(
    "mutation",
    ["code", "code of the same size and time", "variable", "new variable", "lock", "parameter"],
)
def test_any_change_of_what_made_a_result_makes_it_anew(go: Go, chain: Path, own: Environment, mutation: str) -> None:
    go(chain, environments={"test/data": own})
    source = own.cwd / "stages.py"
    parameters = {}
    if mutation == "code":
        source.write_text(source.read_text() + "\n# a comment\n")
    elif mutation == "code of the same size and time":
        before = source.stat()
        source.write_text(source.read_text().replace('metadata["rows"] = len(text)', 'metadata["rows"] = 3 + 4 + 5'))
        os.utime(source, ns=(before.st_atime_ns, before.st_mtime_ns))
        assert source.stat().st_size == before.st_size
    elif mutation == "variable":
        own = replace(own, variables={"MODE": "b"})
    elif mutation == "new variable":
        own = replace(own, variables={"MODE": "a", "B": ""})
    elif mutation == "lock":
        (own.cwd / "uv.lock").write_text("kfp 2.14")
    else:
        parameters["text"] = "hello "
    run = go(chain, parameters, environments={"test/data": own})
    assert cached(run)["write"] is False
    if "same size" in mutation:  # it is the new code that ran, whatever bytecode lay around
        assert run.task("read").outputs.artifacts["metrics"].metadata == {"rows": 12}


def test_equal_content_from_another_run_is_a_hit_downstream(
    go: Go, stages: ModuleType, own: Environment, compiled: Callable[[Any], Path], chain: Path
) -> None:
    @dsl.pipeline(name="other")
    def other() -> None:
        written = stages.write(text=stages.echo(text="hello").output)
        stages.read(data=written.outputs["data"])

    go(chain, environments={"test/data": own})
    assert cached(go(compiled(other), environments={"test/data": own})) == {"echo": False, "write": True, "read": True}


@pytest.mark.parametrize(
    "damage", ["deleted", "one byte", "one byte, same time", "one more file", "a file less", "executable", "html"]
)
@pytest.mark.known_failure(1, 27)
def test_a_damaged_result_is_made_anew(go: Go, chain: Path, own: Environment, damage: str) -> None:
    first = go(chain, environments={"test/data": own})
    data = first.task("write").outputs.artifacts["data"].path
    part = data / "part"
    before = part.stat()
    if damage == "deleted":
        shutil.rmtree(data)
    elif damage.startswith("one byte"):
        part.write_text("jello")
        if damage.endswith("time"):
            os.utime(part, ns=(before.st_atime_ns, before.st_mtime_ns))
    elif damage == "one more file":
        (data / "extra").touch()
    elif damage == "a file less":
        part.unlink()
    elif damage == "executable":
        part.chmod(0o755)
    else:
        first.task("read").outputs.artifacts["page"].path.write_text("<p>changed</p>")
    second = go(chain, environments={"test/data": own})
    # Made again with the same content, so what comes after it is still known.
    assert cached(second) == {"write": damage == "html", "read": damage != "html"}
    assert (second.task("write").outputs.artifacts["data"].path / "part").read_text() == "hello"
    assert cached(go(chain, environments={"test/data": own})) == {"write": True, "read": True}


@pytest.mark.known_failure(7)
def test_caching_can_be_switched_off_for_a_task_a_group_and_a_run(
    go: Go, stages: ModuleType, own: Environment, compiled: Callable[[Any], Path]
) -> None:
    @dsl.pipeline
    def inner() -> None:
        stages.echo(text="inside")

    @dsl.pipeline(name="switches")
    def pipeline() -> None:
        stages.echo(text="on")
        stages.echo(text="off").set_caching_options(False)
        inner().set_caching_options(False)

    path = compiled(pipeline)
    go(path, environments={"test/data": own})
    assert cached(go(path, environments={"test/data": own})) == {"echo": True, "echo-2": False, "inner/echo": False}
    assert cached(go(path, environments={"test/data": own}, cache=False)) == {
        "echo": False,
        "echo-2": False,
        "inner/echo": False,
    }


def test_code_that_nobody_named_is_never_cached(go: Go, chain: Path, own: Environment) -> None:
    unknown = replace(own, sources={"write": own.sources["*"]})
    go(chain, environments={"test/data": unknown})
    assert cached(go(chain, environments={"test/data": unknown})) == {"write": True, "read": False}


def test_a_result_of_code_that_changed_meanwhile_is_not_kept(
    go: Go, stages: ModuleType, own: Environment, compiled: Callable[[Any], Path]
) -> None:
    @dsl.pipeline(name="edits")
    def pipeline(file: str) -> None:
        stages.edit_source(file=file)

    path, source = compiled(pipeline), own.cwd / "stages.py"
    before = source.read_text()
    for _ in range(2):
        run = go(path, {"file": str(source)}, environments={"test/data": own})
        assert cached(run) == {"edit-source": False}
        source.write_text(before)


def test_a_task_that_asks_for_the_run_is_not_cached(
    go: Go, stages: ModuleType, own: Environment, compiled: Callable[[Any], Path]
) -> None:
    @dsl.pipeline(name="asks")
    def pipeline() -> None:
        stages.echo(text=dsl.PIPELINE_JOB_ID_PLACEHOLDER)

    path = compiled(pipeline)
    runs = [go(path, environments={"test/data": own}) for _ in range(2)]
    assert [run.task("echo").outputs.parameters["Output"] for run in runs] == [run.run_id for run in runs]


def test_a_command_that_asks_for_the_run_says_why_it_is_not_cached() -> None:
    asks = Container("image", ("echo", "{{$.pipeline_job_uuid}}"), (), {})
    found = cache_key(replace(COMPONENT, implementation=asks), Values(), Environment(cwd=Path("/")), {}, FINDER)
    assert (found.value, found.reason) == ("", "its command asks for pipeline_job_uuid, which differs from run to run")


COMPONENT = Component(
    name="comp-a",
    input_parameters={
        "n": ParameterDef(ParameterType.INTEGER),
        "s": ParameterDef(ParameterType.STRUCT, has_default=True, default={"a": 1}),
    },
    input_artifacts={"data": ArtifactDef("system.Dataset", "0.0.1")},
    output_parameters={"Output": ParameterDef(ParameterType.STRING)},
    output_artifacts={"model": ArtifactDef("system.Model", "0.0.1")},
    implementation=Container("image:1", ("python3",), ("--function_to_execute", "f"), {"A": "b"}),
)
DATA = Artifact("data", "system.Dataset", "0.0.1", "/here", "sha256:1", {"rows": 1}, "someone")
FACTS: dict[str, Any] = {
    "command": ["python3"],
    "image": "image:1",
    "variables": {"A": "b"},
    "parameters": {"n": 1, "s": {"a": [1, "x", None, True, 0.5]}},
    "digest": "sha256:1",
    "metadata": {"rows": 1},
    "type": "system.Dataset",
    "default": {"a": 1},
    "output": "system.Model",
    "environment": {"B": "c"},
}


def key(facts: dict[str, Any], **other: Any) -> str:
    container = Container(facts["image"], tuple(facts["command"]), ("--function_to_execute", "f"), facts["variables"])
    component = replace(
        COMPONENT,
        name=other.get("name", "comp-a"),
        implementation=container,
        input_parameters={
            **COMPONENT.input_parameters,
            "s": ParameterDef(ParameterType.STRUCT, has_default=True, default=facts["default"]),
        },
        output_artifacts={"model": ArtifactDef(facts["output"], "0.0.1")},
    )
    data = replace(
        DATA,
        digest=facts["digest"],
        metadata=facts["metadata"],
        type=facts["type"],
        uri=other.get("uri", "/here"),
        producer=other.get("producer", ""),
    )
    environment = Environment(cwd=Path("/"), sources={"*": ()}, variables=facts["environment"])
    return cache_key(
        component,
        Values(facts["parameters"], {"data": data}),
        environment,
        {"pipeline_job_uuid": other.get("run", "")},
        FINDER,
    ).value


FINDER = CodeFinder(Digests())
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats(-5, 5) | st.sampled_from(["", "1", "True", "null"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=300, deadline=None)
@given(one=VALUES, other=VALUES)
def test_different_values_never_share_a_key(one: Any, other: Any) -> None:
    keys = {key({**FACTS, "parameters": {"n": value}}) for value in (one, other)}
    assert (len(keys) == 1) == (json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True))


@settings(max_examples=200, deadline=None)
@given(
    field=st.sampled_from([f for f in FACTS if f not in {"command", "image", "digest", "type", "output"}]),
    value=st.dictionaries(st.text(max_size=3), st.text(max_size=3), max_size=3),
)
def test_a_change_of_any_one_fact_changes_the_key(field: str, value: dict[str, str]) -> None:
    assert key({**FACTS, field: value}) != key(FACTS)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("command", ["python3", ""]),
        ("command", ["python", "3"]),
        ("image", "image2:1"),
        ("digest", "sha256:2"),
        ("type", "system.Model"),
        ("output", "system.Dataset"),
    ],
)
def test_a_change_of_a_name_changes_the_key(field: str, value: Any) -> None:
    assert key({**FACTS, field: value}) != key(FACTS)


@settings(max_examples=100, deadline=None)
@given(order=st.permutations(list(FACTS)), text=st.text(max_size=5))
def test_what_does_not_matter_does_not_change_the_key(order: list[str], text: str) -> None:
    shuffled = {
        name: dict(reversed(FACTS[name].items())) if isinstance(FACTS[name], dict) else FACTS[name] for name in order
    }
    assert key(shuffled, uri=f"/{text}", producer=text, run=text, name=text) == key(FACTS)
    assert key({**FACTS, "image": "image@sha256:00"}) == key(FACTS)


def test_an_artifact_whose_content_is_elsewhere_makes_a_task_uncacheable() -> None:
    assert key({**FACTS, "digest": ""}) == ""
    assert Options().cache
