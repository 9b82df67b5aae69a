"""Runs a phase of the analysis on workers, each of which reads shards through the graph of the phase.

What the operations keep of a shard is merged here, in the order of the shards, so that the graph does not depend on the
number of workers. tf.Transform's own pipeline (`with_beam.py`) spreads a vocabulary over many machines; beside that it
runs some fifty small stages, which take longer than the rows where these are few, and its workers write and read graphs
with TensorFlow, which has no S3. So workers of this machine run phases, and those that share S3 alone with the step.
"""

import pickle
import tempfile
from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow_hotfix  # noqa: F401
import apache_beam as beam
from apache_beam.utils.shared import Shared

from adapters.beam_run import run
from adapters.beam_work import Keep, base_of_work, distributed, seen_by_workers, work_folder
from adapters.tft.passes import Consumer, Phase, TracedPhase
from artifacts.examples.manifest import Shard
from components.transform_features.analysis import Analysis
from core.beam.settings import Runner
from core.object_stores import locations
from core.object_stores.locations import Location

_VOCABULARIES = "vocabularies"


def takes_phases(runner: Runner, output: Path) -> bool:
    """Whether phases are run on the workers of a runner, rather than tf.Transform's own pipeline."""
    return runner.is_local_process or str(base_of_work(runner, output)).startswith("s3://")


def run_phase(runner: Runner, analysis: Analysis, output: Path, phase: Phase) -> None:
    """Read all shards once, and add what workers found in them to the accumulators of the phase."""
    seen = analysis._replace(folder=seen_by_workers(runner, analysis.folder, "the examples"))
    with work_folder(runner, output) as work:
        vocabularies = None
        if not runner.sees_disk:
            vocabularies = locations.join(work, _VOCABULARIES)
            locations.copy_there(Path(phase.temporary), vocabularies)

        def build(pipeline: beam.Pipeline) -> None:
            found = distributed(pipeline, "Shards", list(enumerate(analysis.shards)))
            analyze = _Analyze(seen, phase, vocabularies)
            _ = found | "Analyze" >> beam.ParDo(analyze) | "Keep" >> beam.ParDo(Keep(work))

        run(runner, build, Path(analysis.preprocessing.module).parent)
        for number in range(len(analysis.shards)):
            contents = pickle.loads(locations.read(locations.join(work, str(number))))  # noqa: S301 - ours
            for consumer, content in zip(phase.consumers, contents, strict=True):
                consumer.accumulator.merge(content)


@dataclass(frozen=True)
class _Traced:
    """The graph of a phase in one worker process, and the folder that its tables were read from."""

    phase: TracedPhase
    vocabularies: "tempfile.TemporaryDirectory[str] | None" = field(repr=False)


class _Analyze(beam.DoFn):  # type: ignore[misc]  # Beam has no types
    """Yields the number of a shard, and what the operations keep of it."""

    def __init__(self, analysis: Analysis, phase: Phase, vocabularies: Location | None) -> None:
        """`vocabularies`: where those of the phases before are, None where this machine's disk has them."""
        self._analysis, self._phase, self._vocabularies = analysis, phase, vocabularies
        self._handle = Shared()

    def process(self, element: tuple[int, Shard]) -> Iterator[tuple[str, bytes]]:
        """Read one shard."""
        number, shard = element
        traced: _Traced = self._handle.acquire(self._traced)
        consumers: Sequence[Consumer] = deepcopy(self._phase.consumers)
        traced.phase.feed(self._analysis.batches_of(shard), consumers)
        yield str(number), pickle.dumps([one.accumulator.content() for one in consumers])

    def _traced(self) -> _Traced:
        phase, folder = self._phase, None
        if self._vocabularies is not None:
            folder = tempfile.TemporaryDirectory(prefix="mlops-vocabularies-")
            locations.copy_here(self._vocabularies, Path(folder.name))
            phase = phase.moved(Path(folder.name))
        return _Traced(phase.traced(self._analysis.preprocessing.__call__, self._analysis.adapter), folder)
