"""What a run is given from outside: parameters, artifacts, and leave for what it does not do."""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from localrun.errors import OutputError, ParameterError, UnsupportedPipeline, nearest
from localrun.records import Artifact, Values
from localrun.spec.parameters import given
from localrun.spec.pipeline import ArtifactDef, Pipeline
from localrun.store.codec import Codec
from localrun.store.digests import ABSENT, Digests

ACCEPTED = ("accelerator", "secret", "packages")
"""What is refused unless a run accepts it; then it is a warning."""
INPUTS = "inputs.json"
"""In the folder of a run: the artifacts that it was given."""


@dataclass(frozen=True)
class Concern:
    """Something that a pipeline asks for and that this machine does otherwise."""

    kind: str
    text: str


def inputs(pipeline: Pipeline, values: Mapping[str, Any]) -> Values:
    """Check what a run is given against what the pipeline declares, and fill in defaults.

    An input artifact is given as its path; one that is a list, as several.

    Raises ParameterError for an unknown name, a value that does not fit, or one that is missing.
    """
    declared = pipeline.root.input_artifacts
    paths = {name: _several(name, value) for name, value in values.items() if name in declared}
    parameters = {name: value for name, value in values.items() if name not in declared}
    for name, definition in declared.items():
        if name not in paths and not definition.optional:
            raise ParameterError(
                f"no artifact for the input {name!r} of the pipeline; give the path of one: -a {name}=PATH, "
                f"or from Python {name}=PATH"
            )
    filled = given(parameters, pipeline.root.input_parameters)
    made = {name: tuple(_artifact(name, path, declared[name]) for path in listed) for name, listed in paths.items()}
    single = {name: listed[0] for name, listed in made.items() if not declared[name].is_list}
    if several := [name for name in single if len(made[name]) > 1]:
        raise ParameterError(f"the input {several[0]!r} is one artifact, got {len(made[several[0]])} paths")
    return Values(filled, single, {name: listed for name, listed in made.items() if name not in single})


def written(values: Values, store: Path) -> str:
    """Return JSON of the artifacts that a run is given."""
    return json.dumps(Codec(store).values(Values({}, values.artifacts, values.lists)), indent=2)


def read(folder: Path, parameters: Mapping[str, Any], store: Path) -> Values:
    """Undo `written`, for a run that is resumed."""
    path = folder / INPUTS
    if not path.is_file():
        return Values(parameters)
    found = Codec(store).read_values(json.loads(path.read_text(encoding="utf-8")))
    return Values(parameters, found.artifacts, found.lists)


def checked(accept: Collection[str]) -> frozenset[str]:
    """Return what a run accepts; ParameterError for a word that means nothing."""
    for word in accept:
        if word not in ACCEPTED:
            raise ParameterError(f"accept {word!r}: wanted some of {', '.join(ACCEPTED)}{nearest(word, ACCEPTED)}")
    return frozenset(accept)


def concerns(pipeline: Pipeline) -> Iterator[Concern]:
    """Yield what the pipeline asks for beside running its commands."""
    for name, command in pipeline.containers.items():
        if command.accelerator:
            yield Concern(
                "accelerator", f"component {name} asks for {command.accelerator}, which is not set aside for it"
            )
        for secret in command.secrets:
            here = f"the variable {secret.variable}" if secret.variable else f"the files below {secret.path}"
            yield Concern("secret", f"component {name} gets {here} of this machine for the secret {secret.name}")


def accepted(found: Sequence[Concern], accept: frozenset[str]) -> list[str]:
    """Return a warning for each concern; UnsupportedPipeline for the first that the run does not accept."""
    for concern in found:
        if concern.kind not in accept:
            raise UnsupportedPipeline(
                f"{concern.text}; that is not supported unless accepted: --accept {concern.kind}, "
                f"or from Python Options(accept={{{concern.kind!r}}})"
            )
    return [concern.text for concern in found]


def _several(name: str, value: Any) -> Sequence[Path | str]:
    paths = value if isinstance(value, list | tuple) else [value]
    if not all(isinstance(path, Path | str) for path in paths):
        raise ParameterError(f"artifact {name!r}: wanted the path of a file or folder, got {type(value).__name__}")
    return paths


def _artifact(name: str, path: Path | str, definition: ArtifactDef) -> Artifact:
    place = Path(path).absolute()
    if "://" in str(path):
        raise ParameterError(f"artifact {name!r}: wanted a path on this machine, got {str(path)!r}")
    try:
        digest = Digests().of(place)
    except (OSError, OutputError) as error:
        raise ParameterError(f"artifact {name!r}: {place} cannot be read: {error}") from error
    if digest == ABSENT:
        raise ParameterError(f"artifact {name!r}: nothing is at {place}")
    return Artifact(name, definition.schema_title, definition.schema_version, str(place), digest)
