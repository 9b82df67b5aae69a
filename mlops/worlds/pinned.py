"""Pins a run before it is submitted: the compiled pipeline, the data, the champion (see docs/adr)."""

import uuid
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from shlex import quote
from typing import Any

import localrun
from artifacts.spans import files as source
from artifacts.spans.pattern import is_spanless, parse_span
from core import digest, durable, images
from core.backends.registry import ModelVersion, open_registry
from core.errors import RegistryError, UsageError
from core.store import Store
from core.user_code import load
from mlops.runs.history import summaries
from mlops.runs.submission import Submission
from mlops.worlds.sources import code_digest
from mlops.worlds.world import Pinned, RunRequest
from pipelines.compiled import compile_pipeline, spec_of, wiring_digest
from pipelines.config import UseCase
from pipelines.sources import Reads, reads

PINNED = (
    *("source", "span", "data", "registry", "champion", "model", "submission", "snapshot", "as_of"),
    *("build", "releases", "environments", "labels"),
)
"""The parameters that a submission supplies, to a pipeline that declares them."""


def source_pattern(usecase: UseCase, store: Store, pattern: str = "", *, fetched: bool = True) -> str:
    """Return the absolute source pattern, or another one of the use case's.

    Where asked, `data.py` first fetches what this machine's store lacks.
    """
    pattern = pattern or usecase.source.pattern
    if Path(pattern).is_absolute() or "://" in pattern:
        return pattern
    if fetched and not store.objects:
        fetch(usecase, store)
    return f"{store.source(usecase.name)}/{pattern}"


def fetch(usecase: UseCase, store: Store) -> None:
    """Call the use case's `data.py`, if it has one, to write the spans that `data/<usecase>/` lacks on this machine."""
    fetcher = usecase.folder / "data.py"
    if fetcher.is_file():
        load(str(fetcher)).write_spans(store.data / usecase.name)


def pin(
    request: RunRequest,
    store: Store,
    references: Mapping[str, str] | None = None,
    before_compiling: Callable[[], None] | None = None,
) -> Pinned:
    """Return the compiled pipeline (with the image references given) and the parameters that it declares.

    `before_compiling` is called where no earlier compilation can be used. Raises UsageError for a parameter that has no
    default and is not one of `PINNED`.
    """
    usecase = request.usecase
    compiled = request.compiled or compiled_pipeline(usecase, request.pipeline, store, references, before_compiling)
    loaded = localrun.load(compiled)
    declared = loaded.root.input_parameters
    is_monitoring = "snapshot" in declared
    if is_monitoring:
        from mlops.worlds.pinned_monitoring import monitoring_parameters  # noqa: PLC0415 - most runs need none of it

        parameters = monitoring_parameters(request, store)
    else:
        parameters = data_parameters(request, store) if {"source", "span", "data"} & declared.keys() else {}
    parameters |= {"registry": store.registry} if "registry" in declared else {}
    parameters |= {"model": _model(request, store)} if "model" in declared else {}
    if "build" in declared:
        from mlops.runs.build import DELIVERED, release_parameters  # noqa: PLC0415 - as above

        parameters |= release_parameters(usecase, compiled_pipeline(usecase, DELIVERED, store, references), store)
    if "labels" in declared:
        from mlops.worlds.pinned_monitoring import label_files  # noqa: PLC0415 - as above

        parameters |= {"labels": label_files(usecase, store)}
    if request.version is not None and "model" not in declared:
        raise UsageError(f"pipeline {request.pipeline} trains a model and takes no --version; leave it out")
    pinned = Pinned(compiled, {name: parameters[name] for name in parameters if name in declared}, "")
    pinned = replace(pinned, code=code_digest(loaded, store))
    if {"champion", "submission"} & declared.keys() and not is_monitoring:
        parameters |= _same_submission(usecase.name, pinned, store) or _new_submission(usecase.name, store)
    unknown = [name for name, one in declared.items() if not one.optional and name not in parameters]
    if unknown:
        raise UsageError(
            f"pipeline {request.pipeline} declares {', '.join(unknown)}, which no submission supplies; "
            f"wanted some of {', '.join(PINNED)}, or parameters with a default"
        )
    return replace(pinned, parameters={name: value for name, value in parameters.items() if name in declared})


def submission_of(request: RunRequest, pinned: Pinned, world: str, *, containers: bool = False) -> Submission:
    """Return the submission to keep with a run of `world`."""
    return Submission(
        usecase=request.usecase.name,
        code=pinned.code,
        world=world,
        cli_name=request.usecase.cli_name,
        pipeline=request.pipeline,
        kind=spec_of(request.pipeline).kind,
        cache=request.cache,
        release=request.usecase.section("push_model") if request.usecase.has("push_model") else {},
        trigger=request.trigger,
        containers=containers,
        of_release=request.release,
    )


def data_parameters(request: RunRequest, store: Store) -> dict[str, Any]:
    """Return the parameters that pin the data of a run: source, span and data (the digest of the files)."""
    read = reads(request.usecase, request.pipeline)
    pattern = source_pattern(request.usecase, store, read.pattern)
    window = source.resolve(pattern, _span(request, read, pattern), read.spans, read.gaps, spanless=read.spanless)
    return {"source": pattern, "span": window.spans[-1], "data": source.window_digest(window, recorded=True)}


def _span(request: RunRequest, read: Reads, pattern: str) -> int | None:
    """Return the span of a run; None for the newest."""
    if read.spanless and is_spanless(pattern):
        if request.span not in (None, "newest"):
            raise UsageError(f"{pattern} has no span, so --span is not for it; leave it out")
        return None
    asked = read.span if request.span is None else request.span
    return None if asked is None or asked == "newest" else parse_span(pattern, asked)


def _model(request: RunRequest, store: Store) -> str:
    """Return the model version that a run predicts with."""
    usecase = request.usecase
    return chosen_version(usecase, store, request.version or usecase.configured("infer_bulk").version).reference


def chosen_version(usecase: UseCase, store: Store, version: int | None) -> ModelVersion:
    """Return a version of a use case's model, or the one in production; RegistryError where there is none."""
    registry, name = open_registry(store.registry), usecase.name
    chosen = registry.get(name, version) if version else registry.champion(name)
    if chosen is None:
        raise RegistryError(
            f"{name} has no model in production yet: run `mlops run {quote(usecase.cli_name)}` first, or set --version"
        )
    return chosen


def compiled_pipeline(
    usecase: UseCase,
    pipeline: str,
    store: Store,
    references: Mapping[str, str] | None = None,
    before_compiling: Callable[[], None] | None = None,
) -> Path:
    """Return a pipeline as the present sources compile to, from an earlier compilation where nothing has changed."""
    compiled = compiled_file(usecase, pipeline, store, references)
    if not compiled.exists():
        if before_compiling is not None:
            before_compiling()
        compile_pipeline(usecase, pipeline, compiled, references)
    return compiled


def of_release(request: RunRequest, store: Store) -> RunRequest:
    """Return a request whose pipeline is `release:RELEASE` for the very file of that release; others unchanged.

    Raises UsageError for an unknown release or one of another use case, CorruptArtifact where its bytes were changed.
    """
    prefix, separator, given = request.pipeline.partition(":")
    if prefix != "release" or not separator:
        return request
    from mlops.runs.build import released_pipeline  # noqa: PLC0415 - as above

    release_id, build, content = released_pipeline(given, store)
    if build.usecase != request.usecase.name:
        raise UsageError(f"--pipeline {request.pipeline}: it is a release of {build.usecase}")
    compiled = store.root / "compiled" / f"release-{build.compiled.removeprefix('sha256:')}.yaml"
    compiled.parent.mkdir(parents=True, exist_ok=True)
    durable.replace(compiled, content)
    return replace(request, pipeline=build.pipeline, compiled=compiled, release=release_id)


def check_sources(usecase: UseCase, pipeline: str, wanted: Path, compiled: Path) -> None:
    """Raise UsageError when a pipeline is not, byte for byte, what the present sources compile to."""
    if (got := digest.of_file(compiled)) != digest.of_file(wanted):
        raise UsageError(
            f"{wanted} is not of the present sources: {pipeline} of {usecase.name} compiles to {got}, and that file "
            f"is {digest.of_file(wanted)}; check out the commit that it was compiled from"
        )


def compiled_file(usecase: UseCase, pipeline: str, store: Store, references: Mapping[str, str] | None = None) -> Path:
    """Return the path of the compiled pipeline, which need not exist yet; it changes with all that it is made from."""
    made_from = (
        images.tag(),
        usecase.model_dump_json(),
        usecase.module,
        usecase.schema_file,
        str(usecase.folder),
        *sorted((references or {}).values()),
    )
    key = digest.of_bytes("\0".join(made_from).encode()).removeprefix("sha256:")[:16]
    return store.compiled / f"{usecase.name}-{pipeline}-{key}.yaml"


def _new_submission(name: str, store: Store) -> dict[str, Any]:
    """Return a new submission, which is compared with the present champion."""
    champion = open_registry(store.registry).pointer(name)
    return {"champion": str(champion or ""), "submission": uuid.uuid4().hex}


def _same_submission(name: str, pinned: Pinned, store: Store) -> dict[str, Any] | None:
    """Return the champion and submission of the run that made the present champion, when this run repeats that run.

    Otherwise a repeated run would compare the model with itself. Only the run of the present champion counts: its push
    may come from the cache, because the registry has not changed since.
    """
    summary = _run_of_champion(name, store)
    if summary is None or summary["code"] != pinned.code or summary["compiled"] != wiring_digest(pinned.pipeline):
        return None
    parameters = dict(summary["parameters"])
    submission = {key: parameters.pop(key, "") for key in ("champion", "submission")}
    return submission if parameters == pinned.parameters else None


def _run_of_champion(name: str, store: Store) -> dict[str, Any] | None:
    """Return the summary of the run that pushed the present champion; None when this store has none."""
    champion = open_registry(store.registry).pointer(name)
    if champion is None:
        return None
    for summary in summaries(store):
        pushed = summary["pushed_model"] or {}
        is_here = summary["parameters"].get("registry") == store.registry
        if is_here and pushed.get("name") == name and pushed["version"] == champion.version:
            return summary if pushed["digest"] == champion.digest else None
    return None
