"""Transforms shards on workers of Beam, each of which loads the graph once."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import apache_beam as beam
from apache_beam.utils.shared import Shared

from adapters.beam_run import run
from adapters.beam_work import Keep, distributed, seen_by_workers, work_folder
from artifacts.examples.manifest import Shard
from components.transform_features.transformed_shard import Job
from core.beam.settings import Runner
from core.object_stores import locations
from core.object_stores.locations import Location

_GRAPH = "graph"


def materialize_with_beam(runner: Runner, job: Job, found: Sequence[Shard], output: Path) -> list[Shard]:
    """Write all shards, and return the entries of their manifest in order."""
    seen = [str(seen_by_workers(runner, place, "what lies in")) for place in (job.examples, job.target)]
    with work_folder(runner, output) as work:
        graph: Location = output
        if not runner.sees_disk:  # what the step writes may be at its address when the step has ended, and not before
            graph = locations.join(work, _GRAPH)
            locations.copy_there(output, graph)
        here = replace(job, examples=seen[0], transform_graph=str(graph), target=seen[1])

        def build(pipeline: beam.Pipeline) -> None:
            entries = distributed(pipeline, "Shards", found) | "Transform" >> beam.ParDo(_Write(here))
            _ = entries | "Keep" >> beam.ParDo(Keep(work))

        run(runner, build)
        read = (locations.read(locations.join(work, shard.name)) for shard in found)
        return [Shard.model_validate_json(content) for content in read]


class _Write(beam.DoFn):  # type: ignore[misc]  # Beam has no types
    """Transforms and writes a shard; yields its name and its entry."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._graph = Shared()

    def process(self, shard: Shard) -> list[tuple[str, bytes]]:
        """Write one shard."""
        entry = self._job.write(shard, self._graph.acquire(self._job.converter))
        return [(shard.name, entry.model_dump_json().encode())]
