"""Computes output shards: in this process on several threads, or by a worker of Beam; the files are the same."""

import os
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from artifacts.inference.manifest import InferredShard
from components.infer_bulk import shards as output_shards
from components.infer_bulk.predictor import Model, Predicted, Predictor
from components.infer_bulk.shards import OutputShard
from components.infer_bulk.writer import Folders, ShardWriter
from core.object_stores.locations import Location

MAX_THREADS = 8


@dataclass(frozen=True)
class Job:
    """All that computing a shard needs; a worker of Beam gets it."""

    examples: Location
    model: Model
    folders: Folders


def compute(job: Job, predictor: Predictor, shards: Sequence[OutputShard]) -> Iterator[InferredShard]:
    """Compute shards one after the other and yield each when its files are in place.

    Batches are computed on all processors and written in order, so a few of them are in memory at once.
    """
    threads = min(MAX_THREADS, len(os.sched_getaffinity(0)))
    with ThreadPoolExecutor(threads) as pool:
        for shard, batches in output_shards.read(job.examples, shards, job.model.config.batch_rows):
            writer = ShardWriter(job.folders, shard)
            for predicted in _in_order(pool, threads, predictor, batches, shard.start):
                writer.add(predicted)
            yield writer.finish()


def _in_order(
    pool: ThreadPoolExecutor, threads: int, predictor: Predictor, batches: Iterator[list[bytes]], first: int
) -> Iterator[Predicted]:
    pending: deque[Future[Predicted]] = deque()
    for records in batches:
        pending.append(pool.submit(predictor, records, first))
        first += len(records)
        if len(pending) > threads:
            yield pending.popleft().result()
    while pending:
        yield pending.popleft().result()
