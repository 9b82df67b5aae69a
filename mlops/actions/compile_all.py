"""Compiles every pipeline of every use case into one folder."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from core import digest
from core.errors import ConfigError
from pipelines.compiled import PIPELINES, compile_pipeline
from pipelines.config import USECASES, load


@dataclass(frozen=True)
class CompiledAll:
    """What was compiled and what was left out, by file name."""

    digests: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    """Pipelines that a use case has no sections for, with the reason."""


def compile_all(folder: Path, references: Mapping[str, str] | None = None) -> CompiledAll:
    """Compile into a folder; ConfigError for a configuration that cannot be used.

    A file of an earlier call whose pipeline is left out now is removed, so that the folder holds what can be compiled.
    """
    done = CompiledAll()
    for found in sorted(USECASES.glob("*/config.yaml")):
        usecase = load(found.parent)
        for pipeline in PIPELINES:
            target = folder.absolute() / f"{usecase.name}-{pipeline}.yaml"
            try:
                compile_pipeline(usecase, pipeline, target, references)
            except ConfigError as error:
                target.unlink(missing_ok=True)
                done.left_out[target.name] = str(error)
            else:
                done.digests[target.name] = digest.of_file(target)
    return done
