"""Runs a phase of the analysis on workers of this machine, each of which reads shards through the graph of the phase.

What the operations keep of a shard is merged here, in the order of the shards, so that the graph does not depend on the
number of workers. tf.Transform's own pipeline (`with_beam.py`) spreads a vocabulary over many machines; beside that it
runs some fifty small stages, which take longer than the rows where these are few.
"""

import pickle
from collections.abc import Iterator, Sequence
from copy import deepcopy
from pathlib import Path

import pyarrow_hotfix  # noqa: F401
import apache_beam as beam
from apache_beam.utils.shared import Shared

from adapters.beam_run import run
from adapters.beam_work import Keep, distributed, work_folder
from adapters.tft_passes import Consumer, Phase, TracedPhase
from artifacts.examples.manifest import Shard
from components.transform_features.analysis import Analysis
from core.beam.settings import Runner
from core.object_stores import locations


def run_phase(runner: Runner, analysis: Analysis, output: Path, phase: Phase) -> None:
    """Read all shards once, and add what workers found in them to the accumulators of the phase."""
    with work_folder(runner, output) as work:

        def build(pipeline: beam.Pipeline) -> None:
            found = distributed(pipeline, "Shards", list(enumerate(analysis.shards)))
            _ = found | "Analyze" >> beam.ParDo(_Analyze(analysis, phase)) | "Keep" >> beam.ParDo(Keep(work))

        run(runner, build)
        for number in range(len(analysis.shards)):
            contents = pickle.loads(locations.read(locations.join(work, str(number))))  # noqa: S301 - ours
            for consumer, content in zip(phase.consumers, contents, strict=True):
                consumer.accumulator.merge(content)


class _Analyze(beam.DoFn):  # type: ignore[misc]  # Beam has no types
    """Yields the number of a shard, and what the operations keep of it."""

    def __init__(self, analysis: Analysis, phase: Phase) -> None:
        self._analysis, self._phase = analysis, phase
        self._traced = Shared()

    def process(self, element: tuple[int, Shard]) -> Iterator[tuple[str, bytes]]:
        """Read one shard."""
        number, shard = element
        analysis, phase = self._analysis, self._phase
        traced: TracedPhase = self._traced.acquire(
            lambda: phase.traced(analysis.preprocessing.__call__, analysis.adapter)
        )
        consumers: Sequence[Consumer] = deepcopy(phase.consumers)
        traced.feed(analysis.batches_of(shard), consumers)
        yield str(number), pickle.dumps([one.accumulator.content() for one in consumers])
