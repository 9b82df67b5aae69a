"""Loads a compiled pipeline: strictly, so that what is not understood is an error before anything runs."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from localrun import cel, reader
from localrun.errors import ConditionError, InvalidPipeline, ParameterError, UnsupportedPipeline, nearest
from localrun.executors import executor
from localrun.parameters import from_spec
from localrun.platforms import check_platforms
from localrun.section import Section, check_name
from localrun.spec import (
    ArtifactDef,
    ArtifactSource,
    Component,
    Constant,
    Container,
    Dag,
    FromInput,
    FromTask,
    Importer,
    ParameterDef,
    ParameterSource,
    ParameterType,
    Pipeline,
    Retry,
    Task,
)
from localrun.wiring import check_wiring


def load(path: Path) -> Pipeline:
    """Load a compiled pipeline (KFP IR, schema 2.1, as YAML or JSON).

    Raises InvalidPipeline for what is no pipeline, UnsupportedPipeline for what this runner does not do.
    """
    content, documents = reader.read(path)
    if not documents or len(documents) > 2:
        raise InvalidPipeline(f"{path}: wanted a pipeline and at most one platform document, got {len(documents)} documents")
    spec = Section(documents[0], path.name)
    if "pipelineInfo" not in spec or "root" not in spec:
        raise InvalidPipeline(f"{path}: no compiled pipeline: wanted the keys pipelineInfo and root, as kfp's compiler writes them")
    if len(documents) == 2:
        check_platforms(Section(documents[1], f"{path.name} (platform document)"))
    version = spec.text("schemaVersion")
    if not version.startswith("2."):
        raise UnsupportedPipeline(f"{path.name}: schemaVersion {version!r} is not supported; wanted 2.x")
    spec.ignore("sdkVersion", "defaultPipelineRoot")
    info = spec.section("pipelineInfo")
    executors = dict(_executors(spec.section("deploymentSpec")))
    components = {name: _component(name, section, executors) for name, section in spec.named("components")}
    root = _component("root", spec.section("root"), executors)
    spec.end()
    name = check_name(info.text("name"), info.where)
    pipeline = Pipeline(name, root, components, content.decode(), f"sha256:{hashlib.sha256(content).hexdigest()}")
    check_wiring(pipeline)
    return pipeline


def _executors(deployment: Section) -> list[tuple[str, Container | Importer]]:
    found = [(name, executor(section)) for name, section in deployment.named("executors")]
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
    check_platforms(section)
    section.end()
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


def _parameter(section: Section) -> ParameterDef:
    text = section.text("parameterType")
    try:
        kind = ParameterType(text)
    except ValueError:
        raise UnsupportedPipeline(f"{section.where}: the parameter type {text!r} is not supported{nearest(text, list(ParameterType))}") from None
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
    if section.flag("isArtifactList"):
        raise UnsupportedPipeline(f"{section.where}: lists of artifacts are not supported")
    definition = ArtifactDef(title, version, section.flag("isOptional"), section.data("metadata", {}))
    section.end()
    return definition


def _dag(section: Section) -> Dag:
    tasks = {name: _task(name, value) for name, value in section.named("tasks")}
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


def _task(name: str, section: Section) -> Task:
    info, reference = section.section("taskInfo"), section.section("componentRef")
    info.ignore("name")
    inputs = section.section("inputs")
    task = Task(
        name=name,
        component=reference.text("name"),
        parameters={key: _parameter_source(value) for key, value in inputs.named("parameters")},
        artifacts={key: _artifact_source(value) for key, value in inputs.named("artifacts")},
        after=section.texts("dependentTasks"),
        cache=_cache(section),
        condition=_condition(section),
        retry=_retry(section.section("retryPolicy")),
    )
    for inner in (info, reference, inputs):
        inner.end()
    section.end("; loops and exit handlers are not yet" if "Iterator" in " ".join(section.values) else "")
    return task


def _parameter_source(section: Section) -> ParameterSource:
    source: ParameterSource
    if "runtimeValue" in section:
        inner = section.section("runtimeValue")
        source = Constant(inner.data("constant"))
        inner.end()
    elif "componentInputParameter" in section:
        source = FromInput(section.text("componentInputParameter"))
    elif "taskOutputParameter" in section:
        inner = section.section("taskOutputParameter")
        source = FromTask(inner.text("producerTask"), inner.text("outputParameterKey"))
        inner.end()
    else:
        raise UnsupportedPipeline(f"{section.where}: an input from {', '.join(section.values) or 'nowhere'} is not supported")
    section.end()
    return source


def _artifact_source(section: Section) -> ArtifactSource:
    source: ArtifactSource
    if "componentInputArtifact" in section:
        source = FromInput(section.text("componentInputArtifact"))
    else:
        inner = section.section("taskOutputArtifact")
        source = FromTask(inner.text("producerTask"), inner.text("outputArtifactKey"))
        inner.end()
    section.end()
    return source


def _cache(section: Section) -> bool | None:
    """Return the task's own word on caching; a task that says nothing (a group) leaves it to others."""
    if "cachingOptions" not in section:
        return None
    options = section.section("cachingOptions")
    enabled = options.flag("enableCache")
    options.end()
    return enabled


def _condition(section: Section) -> cel.Expression | None:
    policy = section.section("triggerPolicy")
    text, strategy = policy.text("condition"), policy.text("strategy")
    policy.end()
    if strategy not in {"", "TRIGGER_STRATEGY_UNSPECIFIED", "ALL_UPSTREAM_TASKS_SUCCEEDED"}:
        raise UnsupportedPipeline(f"{policy.where}.strategy: {strategy} (an exit handler or an ignored failure) is not supported")
    try:
        return cel.parse(text) if text else None
    except ConditionError as error:
        raise UnsupportedPipeline(f"{policy.where}: {error}") from error


def _retry(section: Section) -> Retry:
    retry = Retry(
        count=int(section.number("maxRetryCount")),
        backoff=section.duration("backoffDuration"),
        factor=section.number("backoffFactor", 2.0) or 2.0,
        longest=section.duration("backoffMaxDuration", 3600.0),
    )
    section.end()
    return retry
