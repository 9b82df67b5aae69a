"""Loads a compiled pipeline: strictly, so that what is not understood is an error before anything runs."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from localrun.errors import InvalidPipeline, ParameterError, UnsupportedPipeline, nearest
from localrun.spec import reader
from localrun.spec.executors import executor
from localrun.spec.parameters import from_spec
from localrun.spec.pipeline import (
    ArtifactDef,
    Component,
    Container,
    Dag,
    FromTask,
    Importer,
    ParameterDef,
    ParameterType,
    Pipeline,
)
from localrun.spec.platforms import PodSettings, pod_settings
from localrun.spec.section import Section, check_name
from localrun.spec.tasks import task
from localrun.spec.wiring import check_wiring

_KEPT = 4
_LOADED: dict[str, Pipeline] = {}
"""What was loaded last, by the digest of its bytes: a run reads the same pipeline several times."""


def load(path: Path) -> Pipeline:
    """Load a compiled pipeline (KFP IR, schema 2.1, as YAML or JSON).

    Raises InvalidPipeline for what is no pipeline, UnsupportedPipeline for what this runner does not do.
    """
    content = reader.content_of(path)
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    loaded = _LOADED.get(digest)
    if loaded is None:
        loaded = _loaded(path, content, digest)
        while len(_LOADED) >= _KEPT:
            _LOADED.pop(next(iter(_LOADED)), None)
        _LOADED[digest] = loaded
    return loaded


def _loaded(path: Path, content: bytes, digest: str) -> Pipeline:
    documents = reader.documents(path, content)
    if not documents or len(documents) > 2:
        raise InvalidPipeline(
            f"{path}: wanted a pipeline and at most one platform document, got {len(documents)} documents"
        )
    spec = Section(documents[0], path.name)
    if "pipelineInfo" not in spec or "root" not in spec:
        if spec.raw("apiVersion") is not None and str(spec.raw("apiVersion")).startswith("argoproj.io/"):
            raise InvalidPipeline(
                f"{path}: an Argo workflow, not a pipeline: compile it first with kfp 2, from the Python file that it "
                "was made of: kfp dsl compile --py pipeline.py --output pipeline.yaml"
            )
        raise InvalidPipeline(
            f"{path}: no compiled pipeline: wanted the keys pipelineInfo and root, as kfp's compiler writes them"
        )
    pods = pod_settings(Section(documents[1], f"{path.name} (platform document)")) if len(documents) == 2 else {}
    version = spec.text("schemaVersion")
    if not version.startswith("2."):
        raise UnsupportedPipeline(f"{path.name}: schemaVersion {version!r} is not supported; wanted 2.x")
    spec.ignore("sdkVersion", "defaultPipelineRoot")
    info = spec.section("pipelineInfo")
    executors = dict(_executors(spec.section("deploymentSpec"), pods))
    components = {name: _component(name, section, executors) for name, section in spec.named("components")}
    root = _component("root", spec.section("root"), executors)
    spec.end()
    name = check_name(info.text("name"), info.where, 128)
    pipeline = Pipeline(name, root, components, content.decode(), digest)
    check_wiring(pipeline)
    return pipeline


def _executors(deployment: Section, pods: Mapping[str, PodSettings]) -> list[tuple[str, Container | Importer]]:
    found = [
        (name, executor(section, pods.get(name, PodSettings()))) for name, section in deployment.named("executors")
    ]
    deployment.end()
    return found


def _component(name: str, section: Section, executors: Mapping[str, Container | Importer]) -> Component:
    inputs, outputs = section.section("inputDefinitions"), section.section("outputDefinitions")
    implementation: Container | Importer | Dag
    if "dag" in section:
        implementation = _dag(section.section("dag"))
    else:
        label = section.text("executorLabel")
        if label not in executors:
            raise InvalidPipeline(f"{section.where}.executorLabel: no executor {label!r}{nearest(label, executors)}")
        implementation = executors[label]
    pod_settings(section)
    section.end()
    _check_lists(outputs, implementation)
    component = Component(
        name=name,
        input_parameters={key: _parameter(value) for key, value in inputs.named("parameters")},
        input_artifacts={key: _artifact(value) for key, value in inputs.named("artifacts")},
        output_parameters={key: _parameter(value) for key, value in outputs.named("parameters")},
        output_artifacts={key: _artifact(value) for key, value in outputs.named("artifacts")},
        implementation=implementation,
    )
    inputs.end()
    outputs.end()
    return component


def _check_lists(outputs: Section, implementation: Container | Importer | Dag) -> None:
    """A group may hand out many artifacts under one name; the protocol of a single task has room for one only."""
    for name, output in outputs.named("artifacts"):
        if not isinstance(implementation, Dag) and output.flag("isArtifactList"):
            raise UnsupportedPipeline(
                f"{output.where}: a task cannot make a list of artifacts ({name!r}); only groups can"
            )


def _parameter(section: Section) -> ParameterDef:
    text = section.text("parameterType")
    try:
        kind = ParameterType(text)
    except ValueError:
        raise UnsupportedPipeline(
            f"{section.where}: the parameter type {text!r} is not supported{nearest(text, list(ParameterType))}"
        ) from None
    has_default = "defaultValue" in section
    default = section.raw("defaultValue")
    if has_default and default is not None:
        try:
            default = from_spec(default, kind, f"{section.where}.defaultValue")
        except ParameterError as error:
            raise InvalidPipeline(str(error)) from error
    section.ignore("description")
    definition = ParameterDef(kind, section.flag("isOptional"), has_default and default is not None, default)
    section.end()
    return definition


def _artifact(section: Section) -> ArtifactDef:
    kind = section.section("artifactType")
    title, version = kind.text("schemaTitle"), kind.text("schemaVersion")
    kind.end()
    section.ignore("description")
    definition = ArtifactDef(
        title, version, section.flag("isOptional"), section.data("metadata", {}), section.flag("isArtifactList")
    )
    section.end()
    return definition


def _dag(section: Section) -> Dag:
    tasks = {name: task(name, value) for name, value in section.named("tasks")}
    outputs = section.section("outputs")
    parameters = {key: _parameter_selectors(value) for key, value in outputs.named("parameters")}
    artifacts = {key: _artifact_selectors(value) for key, value in outputs.named("artifacts")}
    outputs.end()
    section.end()
    return Dag(tasks, parameters, artifacts)


def _parameter_selectors(section: Section) -> tuple[FromTask, ...]:
    if "valueFromOneof" in section:
        inner = section.section("valueFromOneof")
        found = tuple(_selector(item, "outputParameterKey") for item in inner.list_of_sections("parameterSelectors"))
        inner.end()
    else:
        found = (_selector(section.section("valueFromParameter"), "outputParameterKey"),)
    section.end()
    return found


def _artifact_selectors(section: Section) -> tuple[FromTask, ...]:
    found = tuple(_selector(item, "outputArtifactKey") for item in section.list_of_sections("artifactSelectors"))
    section.end()
    return found


def _selector(section: Section, key: str) -> FromTask:
    found = FromTask(section.text("producerSubtask"), section.text(key))
    section.end()
    return found
