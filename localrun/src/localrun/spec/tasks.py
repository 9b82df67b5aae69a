"""Tasks of a group: where their inputs come from, when they run, how often."""

import json
import re
from typing import Any

from localrun.errors import ConditionError, InvalidPipeline, UnsupportedPipeline
from localrun.spec import cel
from localrun.spec.pipeline import (
    ArtifactSource,
    Constant,
    FinalStatus,
    FromInput,
    FromTask,
    Loop,
    ParameterSource,
    Retry,
    Task,
)
from localrun.spec.section import Section

_STRATEGIES = {
    "": False,
    "TRIGGER_STRATEGY_UNSPECIFIED": False,
    "ALL_UPSTREAM_TASKS_SUCCEEDED": False,
    "ALL_UPSTREAM_TASKS_COMPLETED": True,
}
_SELECTOR = re.compile(r"parseJson\(string_value\)((?:\[\"[^\"\\]*\"\])+)")
_FIELD = re.compile(r"\[\"([^\"\\]*)\"\]")


def task(name: str, section: Section) -> Task:
    """Load one task; UnsupportedPipeline names what it asks for that this runner does not do."""
    info, reference = section.section("taskInfo"), section.section("componentRef")
    info.ignore("name")
    inputs = section.section("inputs")
    cache, cache_key = _cache(section)
    condition, always = _trigger(section.section("triggerPolicy"))
    found = Task(
        name=name,
        component=reference.text("name"),
        parameters={key: _parameter_source(value) for key, value in inputs.named("parameters")},
        artifacts={key: _artifact_source(value) for key, value in inputs.named("artifacts")},
        after=section.texts("dependentTasks"),
        cache=cache,
        cache_key=cache_key,
        condition=condition,
        retry=_retry(section.section("retryPolicy")),
        always=always,
        loop=_loop(section),
    )
    for inner in (info, reference, inputs, section):
        inner.end()
    return found


def _parameter_source(section: Section) -> ParameterSource:
    source: ParameterSource
    if "runtimeValue" in section:
        inner = section.section("runtimeValue")
        source = Constant(inner.data("constant"))
        inner.end()
    elif "componentInputParameter" in section:
        source = FromInput(section.text("componentInputParameter"), _fields(section))
    elif "taskOutputParameter" in section:
        inner = section.section("taskOutputParameter")
        source = FromTask(inner.text("producerTask"), inner.text("outputParameterKey"), _fields(section))
        inner.end()
    elif "taskFinalStatus" in section:
        inner = section.section("taskFinalStatus")
        source = FinalStatus(inner.text("producerTask"))
        inner.end()
    else:
        raise UnsupportedPipeline(
            f"{section.where}: an input from {', '.join(section.values) or 'nowhere'} is not supported"
        )
    section.end()
    return source


def _fields(section: Section) -> tuple[str, ...]:
    """Read which part of a value is meant; the compiler writes `parseJson(string_value)["a"]["b"]`."""
    text = section.text("parameterExpressionSelector")
    if not text:
        return ()
    match = _SELECTOR.fullmatch(text)
    if match is None:
        raise UnsupportedPipeline(
            f"{section.where}.parameterExpressionSelector: {text!r} is not supported; "
            "only fields of parseJson(string_value) are"
        )
    return tuple(_FIELD.findall(match[1]))


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


def _cache(section: Section) -> tuple[bool | None, str]:
    """Return whether the task is cached (None: not set, as for a group), and its addition to the key."""
    if "cachingOptions" not in section:
        return None, ""
    options = section.section("cachingOptions")
    enabled, key = options.flag("enableCache"), options.text("cacheKey")
    options.end()
    return enabled, key


def _trigger(policy: Section) -> tuple[cel.Expression | None, bool]:
    """Return the condition of a task, and whether it runs however its upstream ended."""
    text, strategy = policy.text("condition"), policy.text("strategy")
    policy.end()
    if strategy not in _STRATEGIES:
        raise UnsupportedPipeline(f"{policy.where}.strategy: {strategy!r} is not supported")
    try:
        return (cel.parse(text) if text else None), _STRATEGIES[strategy]
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


def _loop(section: Section) -> Loop | None:
    policy = section.section("iteratorPolicy")
    limit = policy.number("parallelismLimit")
    policy.end()
    if limit < 0 or not limit.is_integer():
        raise InvalidPipeline(f"{policy.where}.parallelismLimit: wanted a number of iterations, got {limit:g}")
    kinds = [kind for kind in ("parameterIterator", "artifactIterator") if kind in section]
    if len(kinds) > 1:
        raise InvalidPipeline(f"{section.where}: wanted one iterator, got {' and '.join(kinds)}")
    if not kinds:
        if policy.values:
            raise InvalidPipeline(f"{policy.where}: limits a loop, but there is none")
        return None
    of_artifacts = kinds[0] == "artifactIterator"
    iterator = section.section(kinds[0])
    items = iterator.section("items")
    source = items.text("inputArtifact" if of_artifacts else "inputParameter")
    constants = () if source else _constants(items)
    loop = Loop(iterator.text("itemInput"), constants, source, of_artifacts, int(limit))
    for inner in (items, iterator):
        inner.end()
    return loop


def _constants(items: Section) -> tuple[Any, ...]:
    """Read the items that are written in the pipeline itself."""
    try:
        found = json.loads(items.text("raw"))
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, list):
        raise InvalidPipeline(f"{items.where}: wanted the name of an input, or raw: a list as JSON text")
    return tuple(found)
