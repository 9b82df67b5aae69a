"""What is not supported, not a pipeline or hostile is an error with a name and a place, before anything runs."""

import json
import time
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import localrun
from localrun import LocalrunError, UnsupportedPipeline
from localrun.errors import InvalidPipeline
from localrun.spec.pipeline import Container

SMALL: dict[str, Any] = {
    "components": {
        "comp-echo": {
            "executorLabel": "exec-echo",
            "inputDefinitions": {"parameters": {"text": {"parameterType": "STRING"}}},
            "outputDefinitions": {"parameters": {"Output": {"parameterType": "STRING"}}},
        }
    },
    "deploymentSpec": {
        "executors": {
            "exec-echo": {
                "container": {
                    "image": "test/data",
                    "command": ["python3", "-m", "kfp.dsl.executor_main"],
                    "args": ["--executor_input", "{{$}}", "--function_to_execute", "echo"],
                }
            }
        }
    },
    "pipelineInfo": {"name": "small"},
    "root": {
        "dag": {
            "tasks": {
                "echo": {
                    "cachingOptions": {"enableCache": True},
                    "componentRef": {"name": "comp-echo"},
                    "inputs": {"parameters": {"text": {"runtimeValue": {"constant": "a"}}}},
                    "taskInfo": {"name": "echo"},
                }
            }
        }
    },
    "schemaVersion": "2.1.0",
    "sdkVersion": "kfp-2.13.0",
}
TASK = ("root", "dag", "tasks", "echo")
CONTAINER = ("deploymentSpec", "executors", "exec-echo", "container")


def changed(path: tuple[str, ...], value: object) -> dict[str, Any]:
    spec = deepcopy(SMALL)
    place: Any = spec
    for key in path[:-1]:
        place = place.setdefault(key, {})
    if value is None:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return spec


def loaded(tmp_path: Path, spec: object) -> localrun.Pipeline:
    path = tmp_path / "pipeline.yaml"
    path.write_text(json.dumps(spec))  # as good as YAML, and without aliases
    return localrun.load(path)


def test_the_small_pipeline_itself_loads(tmp_path: Path) -> None:
    assert loaded(tmp_path, SMALL).images == (("comp-echo", "test/data"),)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (
            (*TASK, "parameterIterator"),
            {"items": {"raw": "[1]"}, "itemInput": "text"},
            "a loop over 'comp-echo', which is no group, is not supported",
        ),
        ((*TASK, "triggerPolicy"), {"strategy": "ANY_UPSTREAM"}, "strategy: 'ANY_UPSTREAM' is not supported"),
        (
            (*TASK, "triggerPolicy"),
            {"condition": "size(inputs.parameter_values['text']) == 1"},
            "'size' is not supported",
        ),
        (
            (*TASK, "inputs", "parameters", "text"),
            {"somewhereElse": {}},
            "an input from somewhereElse is not supported",
        ),
        (
            (*TASK, "inputs", "parameters", "text"),
            {"componentInputParameter": "x", "parameterExpressionSelector": "size(x)"},
            "'size(x)' is not supported",
        ),
        (
            (*TASK, "inputs", "parameters", "text", "parameterExpressionSelector"),
            "x",
            "'parameterExpressionSelector' is not supported",
        ),
        ((*TASK, "cachingOptions", "cacheAge"), "1d", "'cacheAge' is not supported"),
        (
            (*TASK, "inputs", "parameters", "text"),
            {"runtimeValue": {"constant": {"a": ["{{channel:task=;name=i;type=Integer;}}"]}}},
            "compiler left",
        ),
        ((*TASK, "somethingNew"), {}, "tasks.echo: 'somethingNew' is not supported"),
        (("somethingNew",), {}, "'somethingNew' is not supported"),
        (("schemaVersion",), "3.0.0", "schemaVersion '3.0.0' is not supported"),
        (
            ("components", "comp-echo", "inputDefinitions", "parameters", "text", "parameterType"),
            "TASK_CONFIG",
            "parameter type 'TASK_CONFIG'",
        ),
        (
            ("components", "comp-echo", "outputDefinitions", "artifacts"),
            {
                "a": {
                    "artifactType": {"schemaTitle": "system.Dataset", "schemaVersion": "0.0.1"},
                    "isArtifactList": True,
                }
            },
            "artifacts.a: a task cannot make a list of artifacts",
        ),
        (
            (*CONTAINER, "env"),
            [{"name": "A", "value": "{{$.inputs.parameters['text']}}"}],
            "env.A: the variable has the value",
        ),
        ((*CONTAINER, "image"), "{{$.pipeline_job_name}}", "an image may be the value of an input parameter"),
        ((*CONTAINER, "lifecycle"), {"preCacheCheck": {"command": ["x"]}}, "'lifecycle' is not supported"),
        ((*CONTAINER, "args"), ["{{$.inputs.parameters['text'].json_escape[1]}}"], "json_escape[1]}} is not supported"),
        (
            (*TASK, "inputs", "parameters", "text"),
            {"runtimeValue": {"constant": "{{$.pipeline_weather}}"}},
            "pipeline_weather}} is not supported",
        ),
        (
            ("deploymentSpec", "executors", "exec-echo"),
            {"customJob": {}},
            "exec-echo: wanted a container or an importer, got customJob",
        ),
        (
            ("deploymentSpec", "executors", "exec-echo"),
            {"importer": {"artifactUri": {"constant": "gs://a/b"}}},
            "importing 'gs://a/b' is not supported",
        ),
        (
            ("components", "comp-echo", "singlePlatformSpecs"),
            [{"platform": "kubernetes", "deploymentSpec": {"executors": {"e": {"configMapAsEnv": []}}}}],
            "'configMapAsEnv'",
        ),
    ],
)
@pytest.mark.known_failure(9)
def test_what_is_not_supported_is_named_with_its_place(
    tmp_path: Path, path: tuple[str, ...], value: object, message: str
) -> None:
    with pytest.raises(UnsupportedPipeline) as error:
        loaded(tmp_path, changed(path, value))
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("pipelineInfo",), None, "no compiled pipeline"),
        (("root", "dag"), None, "root.executorLabel: no executor"),
        (("pipelineInfo", "name"), "../up", "'../up' is no name"),
        (("root", "dag", "tasks"), {"a/b": SMALL["root"]["dag"]["tasks"]["echo"]}, "'a/b' is no name"),
        ((*TASK, "componentRef", "name"), "comp-ecko", "no component 'comp-ecko'; did you mean 'comp-echo'?"),
        ((*TASK, "dependentTasks"), ["ecco"], "refers to 'ecco', which does not exist; did you mean 'echo'?"),
        ((*TASK, "dependentTasks"), ["echo"], "tasks wait for each other: echo -> echo"),
        (
            (*TASK, "inputs", "parameters", "text"),
            {"componentInputParameter": "word"},
            "refers to 'word', which does not exist",
        ),
        ((*TASK, "triggerPolicy"), {"condition": "inputs.parameter_values['nope'] == 1"}, "refers to 'nope'"),
        (
            ("components", "comp-echo"),
            {"dag": {"tasks": {"again": {"componentRef": {"name": "comp-echo"}}}}},
            "comp-echo: contains itself",
        ),
        (("components", "comp-echo", "executorLabel"), "exec-eco", "no executor 'exec-eco'; did you mean 'exec-echo'?"),
        ((*CONTAINER, "image"), "", "image: wanted an image"),
        ((*CONTAINER, "args"), [1], "args: wanted a list of strings"),
        ((*TASK, "retryPolicy"), {"maxRetryCount": "2"}, "maxRetryCount: wanted int or float, got str"),
        ((*TASK, "retryPolicy"), {"backoffDuration": "1 minute"}, "wanted a duration such as 10s"),
        (("root", "dag", "tasks"), ["echo"], "root.dag.tasks: wanted dict, got list"),
        (
            ("root", "inputDefinitions"),
            {"parameters": {"n": {"parameterType": "NUMBER_INTEGER", "defaultValue": 1.5}}},
            "defaultValue: wanted an integer, got 1.5",
        ),
        (
            ("root", "outputDefinitions"),
            {"parameters": {"Output": {"parameterType": "STRING"}}},
            "root.outputDefinitions: refers to 'Output'",
        ),
    ],
)
def test_what_contradicts_itself_is_named_with_its_place(
    tmp_path: Path, path: tuple[str, ...], value: object, message: str
) -> None:
    with pytest.raises(InvalidPipeline) as error:
        loaded(tmp_path, changed(path, value))
    assert message in str(error.value)


def bomb() -> str:
    lines = ["a0: &a0 [x, x]"] + [f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}, *a{n - 1}]" for n in range(1, 40)]
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (bomb(), "pipeline.yaml:2: uses a YAML alias"),
        ("[" * 100, "nested deeper than 64 levels"),
        ("[" * 100_000, " level"),  # newer versions of libyaml have a limit of their own
        ("a:\n" + "".join(" " * n + "a:\n" for n in range(1, 200)), "nested deeper than 64 levels"),
        ("x" * (17 * 1024 * 1024), "larger than 16 MiB"),
        ("a: 1\na: 2", "the key 'a' stands twice"),
        ("!!python/object/apply:os.system ['true']", "no readable YAML"),
        ("a: [", "no readable YAML"),
        ("\x00", "no readable YAML"),
        ("", "got 0 documents"),
        ("--- 1\n--- 2\n--- 3\n", "got 3 documents"),
        ("just a string", "wanted a mapping, got str"),
        ("1: 2", "wanted a mapping"),
    ],
)
def test_hostile_files_cost_nothing(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "pipeline.yaml"
    path.write_text(text)
    began = time.monotonic()
    with pytest.raises(InvalidPipeline) as error:
        localrun.load(path)
    assert message in str(error.value)
    assert time.monotonic() - began < 30


def test_a_file_that_is_not_there_or_no_text_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidPipeline, match=r"nothing\.yaml: No such file"):
        localrun.load(tmp_path / "nothing.yaml")
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InvalidPipeline, match=r"binary\.yaml"):
        localrun.load(tmp_path / "binary.yaml")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"parameterIterator": {"items": {"raw": "{}"}, "itemInput": "text"}},
            "wanted the name of an input, or raw: a list as JSON text",
        ),
        (
            {"parameterIterator": {"items": {"inputParameter": "texd"}, "itemInput": "text"}},
            "the loop's items: refers to 'texd', which does not exist",
        ),
        (
            {"parameterIterator": {"items": {"raw": "[1]"}, "itemInput": "texd"}},
            "the loop's itemInput: refers to 'texd'",
        ),
        ({"iteratorPolicy": {"parallelismLimit": 2}}, "iteratorPolicy: limits a loop, but there is none"),
        (
            {
                "parameterIterator": {"items": {"raw": "[1]"}, "itemInput": "text"},
                "iteratorPolicy": {"parallelismLimit": -1},
            },
            "got -1",
        ),
        (
            {"parameterIterator": {}, "artifactIterator": {}},
            "wanted one iterator, got parameterIterator and artifactIterator",
        ),
        (
            {"inputs": {"parameters": {"text": {"taskFinalStatus": {"producerTask": "ecco"}}}}},
            "'ecco', which does not exist",
        ),
    ],
)
def test_a_loop_or_a_status_that_leads_nowhere_is_named(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    spec = deepcopy(SMALL)
    task = {**spec["root"]["dag"]["tasks"]["echo"]}
    spec["components"]["comp-group"] = {
        "dag": {"tasks": {"echo": task}},
        "inputDefinitions": {"parameters": {"text": {"parameterType": "STRING"}}},
    }
    spec["root"]["dag"]["tasks"] = {"group": {**task, "componentRef": {"name": "comp-group"}, **change}}
    with pytest.raises(InvalidPipeline) as error:
        loaded(tmp_path, spec)
    assert message in str(error.value)


def test_groups_that_multiply_are_counted_without_being_walked(tmp_path: Path) -> None:
    spec = deepcopy(SMALL)
    for level in range(8):
        inner = f"comp-{level - 1}" if level else "comp-echo"
        task = {"componentRef": {"name": inner}} if level else SMALL["root"]["dag"]["tasks"]["echo"]
        spec["components"][f"comp-{level}"] = {"dag": {"tasks": {f"t{n}": task for n in range(10)}}}
    spec["root"]["dag"]["tasks"] = {"all": {"componentRef": {"name": "comp-7"}}}
    with pytest.raises(InvalidPipeline, match="comes to 1000000 tasks; wanted at most 100000"):
        loaded(tmp_path, spec)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_random_change_loads_or_is_refused_by_name(tmp_path: Path, data: st.DataObject) -> None:
    """No change of one place of a pipeline makes the loader fall over."""
    places: list[tuple[str, ...]] = []

    def collect(value: Any, path: tuple[str, ...]) -> None:
        if isinstance(value, dict):
            for key, item in value.items():
                places.append((*path, key))
                collect(item, (*path, key))

    collect(SMALL, ())
    path = data.draw(st.sampled_from(places))
    junk = st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda x: st.lists(x, max_size=3) | st.dictionaries(st.text(max_size=5), x, max_size=3),
        max_leaves=5,
    )
    try:
        loaded(tmp_path, changed(path, data.draw(junk)))
    except LocalrunError as error:
        assert str(error)


def test_a_request_is_set_aside_and_a_limit_only_where_there_is_none(tmp_path: Path) -> None:
    def asks(resources: dict[str, Any]) -> tuple[float, int]:
        container = (
            loaded(tmp_path, changed((*CONTAINER, "resources"), resources)).components["comp-echo"].implementation
        )
        assert isinstance(container, Container)
        return container.cpus, container.memory

    both = {
        "resourceCpuRequest": "100m",
        "resourceCpuLimit": "2",
        "resourceMemoryRequest": "1Ki",
        "resourceMemoryLimit": "1Gi",
    }
    assert asks(both) == (0.1, 1024)
    assert asks({"resourceCpuLimit": "2", "memoryLimit": 1.5}) == (2.0, 1_500_000_000)


@pytest.mark.parametrize("seconds", ["60", 60])
def test_a_time_limit_of_the_platform_is_kept(tmp_path: Path, seconds: object) -> None:
    path = tmp_path / "pipeline.yaml"
    platform = {
        "platforms": {
            "kubernetes": {"deploymentSpec": {"executors": {"exec-echo": {"activeDeadlineSeconds": seconds}}}}
        }
    }
    path.write_text(yaml.safe_dump_all([SMALL, platform]))
    container = localrun.load(path).components["comp-echo"].implementation
    assert isinstance(container, Container)
    assert container.seconds == 60.0


def test_placement_of_pods_is_no_business_of_this_machine(tmp_path: Path) -> None:
    path = tmp_path / "pipeline.yaml"
    platform = {
        "platforms": {
            "kubernetes": {"deploymentSpec": {"executors": {"exec-echo": {"imagePullPolicy": "IfNotPresent"}}}}
        }
    }
    path.write_text(yaml.safe_dump_all([SMALL, platform]))
    assert localrun.load(path).name == "small"
    platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]["exec-echo"] = {"pvcMount": [{}]}  # type: ignore[dict-item]
    path.write_text(yaml.safe_dump_all([SMALL, platform]))
    with pytest.raises(UnsupportedPipeline, match="'pvcMount' is not supported"):
        localrun.load(path)
