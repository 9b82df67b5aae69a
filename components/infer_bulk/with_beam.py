"""Runs the shards as a Beam pipeline, on the runner that the flags name."""

from collections.abc import Iterator, Sequence
from itertools import groupby

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions

from artifacts.inference.manifest import InferredShard
from components.infer_bulk.engine import Job, compute
from components.infer_bulk.predictor import Predictor
from components.infer_bulk.progress import Progress
from components.infer_bulk.shards import OutputShard

_PARTS = 16
"""Most parts that the shards of one file are divided into; each part reads the file from its start."""


class _Compute(beam.DoFn):  # type: ignore[misc]  # Beam has no types
    """Computes consecutive shards of one file, and records each."""

    def __init__(self, job: Job, progress: Progress) -> None:
        self._job = job
        self._progress = progress

    def setup(self) -> None:
        """Load the model once per worker."""
        self._predictor = Predictor(self._job.model)

    def process(self, shards: list[OutputShard]) -> Iterator[InferredShard]:
        """Compute the shards of one part."""
        for entry in compute(self._job, self._predictor, shards):
            self._progress.add(entry)
            yield entry


def compute_with_beam(job: Job, progress: Progress, shards: Sequence[OutputShard]) -> None:
    """Compute shards, and record each."""
    with beam.Pipeline(options=PipelineOptions(list(job.model.config.beam_args))) as pipeline:
        parts = pipeline | "Parts" >> beam.Create(_parts(shards), reshuffle=False) | beam.Reshuffle()
        parts | "Infer" >> beam.ParDo(_Compute(job, progress))


def _parts(shards: Sequence[OutputShard]) -> list[list[OutputShard]]:
    parts = []
    for _, group in groupby(shards, key=lambda shard: shard.source.name):
        of_file = list(group)
        size = -(-len(of_file) // _PARTS)
        parts += [of_file[start : start + size] for start in range(0, len(of_file), size)]
    return parts
