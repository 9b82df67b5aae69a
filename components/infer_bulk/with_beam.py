"""Computes the shards on Beam: workers read files of examples, load the model once, and write the same files."""

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

import apache_beam as beam
from apache_beam.utils.shared import Shared

from adapters.beam_run import run
from adapters.beam_work import distributed, seen_by_workers
from components.infer_bulk.engine import Job, compute
from components.infer_bulk.predictor import Predictor
from components.infer_bulk.progress import Progress
from components.infer_bulk.shards import OutputShard
from core.backends.registry import find
from core.beam.settings import Runner
from core.errors import ConfigError

_PARTS = 16
"""Most parts that the shards of one file are divided into; each part reads the file from its start."""


@dataclass(frozen=True)
class Registered:
    """Where a worker on another machine finds the model version."""

    registry: str
    reference: str


def compute_with_beam(
    runner: Runner, job: Job, progress: Progress, shards: Sequence[OutputShard], registered: Registered
) -> None:
    """Compute shards, and record each; ConfigError when workers could not hand them in."""
    if not runner.sees_disk and not progress.kept_at:
        raise ConfigError(
            f"config.yaml: beam: workers on other machines do not see {progress.folder}, where finished shards are "
            "kept: set MLOPS_STORE to an object store, or mount a volume and set shared_disk: true"
        )
    seen = replace(job, examples=seen_by_workers(runner, str(job.examples), "the examples"))

    def build(pipeline: beam.Pipeline) -> None:
        infer = _Compute(seen, progress, registered, sees_disk=runner.sees_disk)
        _ = distributed(pipeline, "Parts", _parts(shards)) | "Infer" >> beam.ParDo(infer)

    run(runner, build)
    if not runner.sees_disk:
        progress.fetch()


class _Compute(beam.DoFn):  # type: ignore[misc]  # Beam has no types
    """Computes consecutive shards of one file, and records each."""

    def __init__(self, job: Job, progress: Progress, registered: Registered, *, sees_disk: bool) -> None:
        self._job, self._progress, self._registered, self._sees_disk = job, progress, registered, sees_disk
        self._handle = Shared()

    def process(self, shards: list[OutputShard]) -> Iterator[int]:
        """Compute the shards of one part; yields their numbers."""
        predictor: Predictor = self._handle.acquire(self._predictor)
        if self._sees_disk:
            yield from self._computed(self._job, self._progress, predictor, shards)
            return
        with tempfile.TemporaryDirectory(prefix="mlops-infer-") as folder:
            progress = replace(self._progress, folder=Path(folder))
            for place in progress.folders:
                place.mkdir(parents=True, exist_ok=True)
            job = replace(self._job, folders=progress.folders)
            yield from self._computed(job, progress, predictor, shards)

    def _predictor(self) -> Predictor:
        model = self._job.model
        if not self._sees_disk:
            found = find(self._registered.registry, self._registered.reference)
            model = replace(model, saved_model=found.path)
        return Predictor(model)

    @staticmethod
    def _computed(job: Job, progress: Progress, predictor: Predictor, shards: list[OutputShard]) -> Iterator[int]:
        for entry in compute(job, predictor, shards):
            progress.add(entry)
            yield entry.number


def _parts(shards: Sequence[OutputShard]) -> list[list[OutputShard]]:
    parts = []
    for _, group in groupby(shards, key=lambda shard: shard.source.name):
        of_file = list(group)
        size = -(-len(of_file) // _PARTS)
        parts += [of_file[start : start + size] for start in range(0, len(of_file), size)]
    return parts
