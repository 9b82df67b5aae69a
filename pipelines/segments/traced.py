"""Traces one stage: its component, with its section of the configuration and its resources."""

from typing import Any

from kfp import dsl

from pipelines import stages, steps
from pipelines.config import UseCase


def run(usecase: UseCase, stage: str, **inputs: object) -> dsl.PipelineTask:
    """Trace one stage with its section of the configuration, and its resources, retries and timeout from `steps`.

    Raises UsageError for an unknown stage, ConfigError for one without a section.
    """
    stages.component(stage)  # an unknown stage is named before its section is looked for
    return run_with(usecase, stage, usecase.section(stage), **inputs)


def run_with(usecase: UseCase, stage: str, section: dict[str, Any], **inputs: object) -> dsl.PipelineTask:
    """Trace one stage as `run` does, with another section."""
    component = stages.component(stage)
    return steps.apply(usecase.step(stage), component(config=section, **inputs))


def run_if_configured(usecase: UseCase, stage: str, **inputs: object) -> dsl.PipelineTask | None:
    """Trace one stage, or leave it out where the configuration has no section for it."""
    return run(usecase, stage, **inputs) if usecase.has(stage) else None
