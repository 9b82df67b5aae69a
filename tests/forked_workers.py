"""A program that runs a pipeline on two workers, of which the first dies; it prints where the others were, as JSON."""

import json
import os
import sys
from pathlib import Path

import apache_beam as beam

from adapters.beam_run import run
from adapters.beam_work import Keep
from adapters.forkable import is_forkable
from core.beam.settings import Runner
from tests.dying_worker import SquareOrDie, whereabouts


def main(folder: Path) -> None:
    """Write the squares of 20 numbers, and the process of each worker with its parent."""
    could_fork = is_forkable()

    def build(pipeline: beam.Pipeline) -> None:
        numbers = pipeline | beam.Create(range(20), reshuffle=False) | beam.Reshuffle()
        _ = numbers | beam.ParDo(SquareOrDie(folder / "marker")) | beam.ParDo(Keep(folder / "squares"))
        _ = numbers | beam.Map(whereabouts) | "Keep workers" >> beam.ParDo(Keep(folder / "workers"))

    run(Runner(workers=2), build)
    print(json.dumps({"could_fork": could_fork, "process": os.getpid()}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
