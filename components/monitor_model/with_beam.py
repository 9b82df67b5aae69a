"""Scores the eval split on Beam: workers load the model once a process; a seeded sample of the rows comes back."""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Self

import pyarrow_hotfix  # noqa: F401
import apache_beam as beam
import numpy as np
from apache_beam.utils.shared import Shared
from tensorflow_metadata.proto.v0 import schema_pb2

from adapters.beam_run import run
from adapters.beam_work import Keep, distributed, seen_by_workers, work_folder
from artifacts.examples.manifest import ExamplesManifest
from artifacts.examples.names import EVAL
from artifacts.predictions.placed_shard import PlacedShard, placed, with_rows
from artifacts.predictions.row_sample import Priorities, bound, priorities, smallest
from artifacts.predictions.split import Splits
from components.monitor_model.config import Config
from components.monitor_model.evaluated import (
    Answers,
    Evaluated,
    InProduction,
    Subject,
    form_of,
    is_outside,
    label_of,
    summed_up,
)
from core.backends.registry import find
from core.beam.settings import Runner
from core.object_stores import locations
from core.object_stores.locations import Location


@dataclass(frozen=True)
class _Job:
    """What scoring needs; workers get it."""

    config: Config
    schema: bytes
    examples: Location
    registry: str
    reference: str
    model: Path | None
    """None where workers do not see this machine's disk, and fetch the version from the registry."""

    def in_production(self) -> InProduction:
        """Load the model."""
        model = self.model or Path(find(self.registry, self.reference).path)
        return InProduction(self.config, model, Splits(self.examples, schema_pb2.Schema.FromString(self.schema)))


def evaluated_with_beam(runner: Runner, config: Config, subject: Subject, output: Path) -> Evaluated:
    """Score what `evaluated` scores; of more than `sample_rows` rows, a sample has scores and metrics."""
    splits = subject.splits
    manifest = ExamplesManifest.read(splits.folder)
    total, found = manifest.records(EVAL), placed(manifest, EVAL)
    job = _Job(
        config=config,
        schema=splits.schema.SerializeToString(),
        examples=seen_by_workers(runner, splits.folder, "the examples"),
        registry=subject.registry,
        reference=subject.version.reference,
        model=subject.model if runner.sees_disk else None,
    )
    with work_folder(runner, output) as work:

        def build(pipeline: beam.Pipeline) -> None:
            score = _Score(job, bound(config.sample_rows, total))
            _ = distributed(pipeline, "Shards", found) | "Score" >> beam.ParDo(score) | "Keep" >> beam.ParDo(Keep(work))

        run(runner, build)
        contents = (locations.read(locations.join(work, str(one.number))) for one in with_rows(found))
        parts = [_Part.of_bytes(content) for content in contents]
    chosen, kept, start = smallest(np.concatenate([one.drawn for one in parts]), config.sample_rows), [], 0
    for one in parts:
        mine = chosen[(chosen >= start) & (chosen < start + len(one.drawn))] - start
        kept.append(one.answers.take(mine))
        start += len(one.drawn)
    form = form_of(is_outside=any(one.is_outside for one in parts))
    of_rows = total if len(chosen) < total else 0
    return summed_up(config, label_of(config, subject.model), kept, form, of_rows)


class _Part(NamedTuple):
    """What comes back of a shard: the rows that may be in the sample."""

    answers: Answers
    drawn: Priorities
    is_outside: bool
    """Whether any output of the shard is outside [0, 1]."""

    def to_bytes(self) -> bytes:
        """Return it as arrays."""
        buffer = io.BytesIO()
        answers = self.answers
        np.savez(
            buffer,
            outputs=answers.outputs,
            labels=answers.labels,
            fault=np.array(answers.fault),
            drawn=self.drawn,
            is_outside=np.array(self.is_outside),
        )
        return buffer.getvalue()

    @classmethod
    def of_bytes(cls, content: bytes) -> Self:
        """Return what `to_bytes` has written."""
        with np.load(io.BytesIO(content), allow_pickle=False) as found:
            answers = Answers(found["outputs"], found["labels"], str(found["fault"]))
            return cls(answers, found["drawn"], bool(found["is_outside"]))


class _Score(beam.DoFn):  # type: ignore[misc]  # Beam has no types
    """Scores a shard; yields the rows that may be in the sample, and whether any output is outside [0, 1]."""

    def __init__(self, job: _Job, limit: float) -> None:
        self._job, self._limit = job, limit
        self._handle = Shared()

    def process(self, place: PlacedShard) -> Iterator[tuple[str, bytes]]:
        """Score one shard."""
        in_production: InProduction = self._handle.acquire(self._job.in_production)
        answers: Answers | None = in_production.answers(place.shard)
        if answers is None:
            return
        drawn = priorities(self._job.config.seed, place.before, len(answers.outputs))
        mine = np.flatnonzero(drawn <= self._limit)
        part = _Part(answers.take(mine), drawn[mine], is_outside(answers.outputs))
        yield str(place.number), part.to_bytes()
