"""What a pipeline reads: the window of spans to train on, or the rows to predict."""

from datetime import date
from typing import Any, NamedTuple

from pydantic import ValidationError

from artifacts.spans.files import Gaps
from components.ingest_examples.config import Config as IngestExamples
from core.errors import ConfigError
from pipelines.compiled import spec_of
from pipelines.config import UseCase
from pipelines.kinds import Kind


class Reads(NamedTuple):
    """The files of a pipeline's run."""

    pattern: str
    span: int | date | str | None
    """The span of a run when none is asked for; the newest when None."""
    spans: int
    """How many spans, up to that one."""
    gaps: Gaps
    spanless: bool
    """Whether the pattern may have no span; its files are one span then."""


def reads(usecase: UseCase, pipeline: str) -> Reads:
    """Return what a run of a pipeline reads."""
    if spec_of(pipeline).kind is Kind.INFERENCE:
        config, ingesting = usecase.configured("infer_bulk"), usecase.configured("ingest_examples")
        span = config.span if config.source else config.span or usecase.source.span
        return Reads(config.source or usecase.source.pattern, span, config.window, ingesting.gaps, True)
    ingesting = usecase.configured("ingest_examples")
    return Reads(usecase.source.pattern, usecase.source.span, ingesting.spans, ingesting.gaps, False)


def ingest_unlabeled(usecase: UseCase) -> dict[str, Any]:
    """Return the section with which `ingest_examples` reads rows to predict: in one split, without label and weight."""
    config, ingesting = usecase.configured("infer_bulk"), usecase.section("ingest_examples")
    problem = usecase.problem
    not_served = [name for name in (problem.label, problem.weight) if name is not None]
    changes: dict[str, Any] = {
        "window": config.window,
        "split": {"by": "none"},
        "leave_out": [*ingesting["leave_out"], *not_served],
    }
    if config.format not in (None, ingesting["format"]):
        changes |= {"format": config.format, "delimiter": "," if config.format != "csv" else ingesting["delimiter"]}
        changes |= {"timestamps": {}} if config.format == "tfrecord" else {}
    try:
        read = IngestExamples.model_validate(ingesting | changes)
    except ValidationError as error:
        found = "; ".join(detail["msg"].removeprefix("Value error, ") for detail in error.errors())
        raise ConfigError(f"{usecase.folder / 'config.yaml'}: infer_bulk with ingest_examples: {found}") from None
    return read.model_dump(mode="json", exclude_none=True)
