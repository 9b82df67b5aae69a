"""What a run is pinned to before it starts: the compiled pipeline, the data, the champion (see docs/adr)."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import localrun
from artifacts.spans import files as source
from artifacts.spans.pattern import parse_span
from core import digest, images
from core.backends.registry import open_registry
from core.errors import UsageError
from core.store import Store
from core.user_code import load
from mlops.runs.history import summaries
from mlops.runs.submission import Submission
from mlops.worlds.sources import code_digest
from mlops.worlds.world import RequestedSpan, RunRequest
from pipelines.compiled import compile_pipeline, spec_of, wiring_digest
from pipelines.config import UseCase

PINNED = ("source", "span", "data", "registry", "champion", "submission")
"""The parameters that a submission supplies to a pipeline that declares them."""


@dataclass(frozen=True)
class Pinned:
    """The parameters that make a run a pure function, and the compiled pipeline that they go to."""

    pipeline: Path
    parameters: dict[str, Any]
    code: str


def source_pattern(usecase: UseCase, store: Store) -> str:
    """Return the absolute source pattern; the use case's `data.py` first fetches what this machine's store lacks."""
    pattern = usecase.source.pattern
    if Path(pattern).is_absolute() or "://" in pattern:
        return pattern
    if not store.objects:
        fetch(usecase, store)
    return f"{store.source(usecase.name)}/{pattern}"


def fetch(usecase: UseCase, store: Store) -> None:
    """Let the use case's `data.py`, where there is one, write what `data/<usecase>/` lacks on this machine."""
    fetcher = usecase.folder / "data.py"
    if fetcher.is_file():
        load(str(fetcher)).write_spans(store.data / usecase.name)


def pin(request: RunRequest, store: Store, references: Mapping[str, str] | None = None) -> Pinned:
    """Fix what a run depends on: the compiled pipeline (with the image references given), and its parameters.

    A pipeline declares its own parameters; those are supplied that it declares. Raises UsageError for one that it
    declares without a default and that no submission knows.
    """
    usecase = request.usecase
    compiled = compiled_file(usecase, request.pipeline, store, references)
    if not compiled.exists():
        compile_pipeline(usecase, request.pipeline, compiled, references)
    loaded = localrun.load(compiled)
    declared = loaded.root.input_parameters
    parameters = _window(usecase, request.span, store) if {"source", "span", "data"} & declared.keys() else {}
    parameters |= {"registry": store.registry} if "registry" in declared else {}
    pinned = Pinned(compiled, {name: parameters[name] for name in parameters if name in declared}, "")
    pinned = replace(pinned, code=code_digest(loaded, store))
    if {"champion", "submission"} & declared.keys():
        parameters |= _repeated(usecase.name, pinned, store) or _fresh(usecase.name, store)
    unknown = [name for name, one in declared.items() if not one.optional and name not in parameters]
    if unknown:
        raise UsageError(
            f"pipeline {request.pipeline} declares {', '.join(unknown)}, which a submission does not know; "
            f"wanted some of {', '.join(PINNED)}, or parameters with a default"
        )
    return replace(pinned, parameters={name: value for name, value in parameters.items() if name in declared})


def submission_of(request: RunRequest, pinned: Pinned, world: str, *, containers: bool = False) -> Submission:
    """Describe a submission."""
    return Submission(
        usecase=request.usecase.name,
        code=pinned.code,
        world=world,
        cli_name=request.usecase.cli_name,
        pipeline=request.pipeline,
        kind=spec_of(request.pipeline).kind,
        cache=request.cache,
        release=request.usecase.section("push_model") if request.usecase.has("push_model") else {},
        containers=containers,
    )


def _window(usecase: UseCase, span: RequestedSpan, store: Store) -> dict[str, Any]:
    """The data of a run: where the spans lie, the newest of them, and the digest of their files."""
    pattern = source_pattern(usecase, store)
    asked = usecase.source.span if span is None else span
    wanted = None if asked is None or asked == "newest" else parse_span(pattern, asked)
    ingesting = usecase.configured("ingest_examples")
    window = source.resolve(pattern, wanted, ingesting.spans, ingesting.gaps)
    return {"source": pattern, "span": window.spans[-1], "data": source.window_digest(window)}


def compiled_file(usecase: UseCase, pipeline: str, store: Store, references: Mapping[str, str] | None = None) -> Path:
    """Return where the compiled pipeline lies, or will: a name that changes with all that it is made from."""
    made_from = (
        images.tag(),
        usecase.model_dump_json(),
        usecase.module,
        usecase.schema_file,
        str(usecase.folder),
        *sorted((references or {}).values()),
    )
    key = digest.of_bytes("\0".join(made_from).encode()).removeprefix("sha256:")[:16]
    return store.root / "compiled" / f"{usecase.name}-{pipeline}-{key}.yaml"


def _fresh(name: str, store: Store) -> dict[str, Any]:
    """A new submission, up against whoever is in production."""
    current = open_registry(store.registry).pointer(name)
    return {"champion": str(current or ""), "submission": uuid.uuid4().hex}


def _repeated(name: str, pinned: Pinned, store: Store) -> dict[str, Any] | None:
    """The champion and submission of the run that made the model in production, when this is that very run once more.

    Without this rule a rerun would compare a model with itself; with any other rule a push could come from a cache
    although the registry has moved on since.
    """
    current = open_registry(store.registry).pointer(name)
    made = (
        one
        for one in summaries(store)
        if (one["pushed_model"] or {}).get("name") == name and one["parameters"].get("registry") == store.registry
    )
    maker = next(
        (summary for summary in made if current and summary["pushed_model"]["version"] == current.version), None
    )
    if maker is None or current is None or maker["pushed_model"]["digest"] != current.digest:
        return None
    parameters = dict(maker["parameters"])
    own = {key: parameters.pop(key, "") for key in ("champion", "submission")}
    same = (
        parameters == pinned.parameters
        and maker["code"] == pinned.code
        and maker["compiled"] == wiring_digest(pinned.pipeline)
    )
    return own if same else None
