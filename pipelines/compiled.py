"""Compiles a pipeline of a use case to the KFP file that every world runs."""

import importlib
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core import digest
from core.errors import UsageError, did_you_mean
from core.images import PREFIX, local_references
from pipelines.config import UseCase
from pipelines.kinds import Kind

_NAMED = rf"(?:image: |value: (?:[^\s:]+(?::\d+)?/)?{PREFIX})"
"""Before the name of an image: a step's own, or the value of its variable MLOPS_STEP_IMAGE."""


@dataclass(frozen=True)
class PipelineSpec:
    """A pipeline by name; its parameters are those of the function that wires it."""

    kind: Kind
    wiring: str
    """`module:function` that wires it for a use case; imported on use: naming a pipeline does not import kfp."""
    description: str


PIPELINES = {
    "level0": PipelineSpec(Kind.TRAINING, "pipelines.level0:level0", "an experiment; a person pushes"),
    "level1": PipelineSpec(Kind.TRAINING, "pipelines.level1:level1", "continuous training, from data to production"),
    "level2": PipelineSpec(Kind.TRAINING, "pipelines.level2:level2", "continuous delivery, from a commit to a release"),
    "tuning": PipelineSpec(Kind.TUNING, "pipelines.level0:tuning", "hyperparameters, compared with those in use"),
    "inference": PipelineSpec(Kind.INFERENCE, "pipelines.inference:inference", "predictions for rows without a label"),
    "monitoring": PipelineSpec(
        Kind.MONITORING, "pipelines.monitoring:monitoring", "the model in production beside its training"
    ),
}
"""Name on the command line -> what it is."""


def spec_of(pipeline: str) -> PipelineSpec:
    """Return what a pipeline is; UsageError for a name that is no pipeline."""
    if pipeline not in PIPELINES:
        raise UsageError(f"no pipeline {pipeline!r}{did_you_mean(pipeline, PIPELINES)}")
    return PIPELINES[pipeline]


def compile_pipeline(
    usecase: UseCase, pipeline: str, target: Path, references: Mapping[str, str] | None = None
) -> None:
    """Write the compiled pipeline atomically; UsageError for a name that is no pipeline."""
    module, _, function = spec_of(pipeline).wiring.partition(":")
    from adapters import kfp_sdk  # noqa: F401, PLC0415 - imported before anything imports kfp

    write_compiled(getattr(importlib.import_module(module), function)(usecase), target, references)


def write_compiled(wired: Any, target: Path, references: Mapping[str, str] | None = None) -> None:
    """Compile a wired pipeline, with the image references given (or the local ones), and write it atomically."""
    from kfp import compiler  # noqa: PLC0415 - two seconds that only compiling should pay

    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".staging-") as folder:
        staged = Path(folder) / "pipeline.yaml"
        compiler.Compiler().compile(wired, str(staged))
        text = staged.read_text(encoding="utf-8")
        staged.write_text(_pinned(text, references or local_references()), encoding="utf-8")
        staged.replace(target)


def wiring_digest(compiled: Path) -> str:
    """Return a compiled pipeline's digest without its images' versions, which change with files that no step reads."""
    text = compiled.read_text(encoding="utf-8")
    found = re.sub(rf"^( +{_NAMED}.*?)(@sha256:[0-9a-f]{{64}}|:[^/\n]*)$", r"\1", text, flags=re.M)
    return digest.of_bytes(found.encode())


def _pinned(text: str, references: Mapping[str, str]) -> str:
    """Replace the bare name of each of this project's images by its immutable reference."""
    names = "|".join(map(re.escape, references))
    return re.sub(
        rf"^( +(?:image|value): )({names})$", lambda line: f"{line[1]}{references[line[2]]}", text, flags=re.MULTILINE
    )
