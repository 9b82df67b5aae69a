"""The laptop world: which local environment stands in for which image, and one run from words to verdict."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import localrun
from core.errors import MlopsError
from core.images import image
from core.store import Store
from core.user_code import ROOT
from localrun.events import Event, RunStarted
from mlops.report.outcome import Outcome
from mlops.runs.history import read_submission, write_submission
from mlops.runs.submission import Submission
from mlops.worlds.containers import containers
from mlops.worlds.finished import finish
from mlops.worlds.localrun_record import event_of, run_of
from mlops.worlds.pinned import compiled_file, pin
from mlops.worlds.progress import shown
from mlops.worlds.sources import stage_sources
from pipelines.config import UseCase

_TENSORFLOW = (
    "kfp.dsl.executor_main",
    "pydantic",
    "pyarrow_hotfix",
    "tensorflow",
    "tensorflow_data_validation",
    "tensorflow_transform.beam",
    "tensorflow_model_analysis",
    "matplotlib.figure",
)
PRELOAD = {
    image("data"): (
        "kfp.dsl.executor_main",
        "pydantic",
        "pyarrow_hotfix",
        "pyarrow.parquet",
        "tfx_bsl.coders.example_coder",
    ),
    # The same for both, so that one process serves them.
    image("serving"): _TENSORFLOW,
    image("tfx"): _TENSORFLOW,
}
"""What a warm worker imports once, by image; see benchmarks/ for what it saves."""


def environments(store: Store) -> dict[str, localrun.Environment]:
    """Map every image to this interpreter, with what each stage can import: the sources that its cache key covers."""
    sources = stage_sources(store)
    return {
        name: localrun.Environment(
            python=Path(sys.executable), cwd=ROOT, preload=preload, sources=sources, lock=ROOT / "uv.lock"
        )
        for name, preload in PRELOAD.items()
    }


class Laptop:
    """Runs pinned pipelines on this machine; warm workers are kept until it is closed."""

    def __init__(self, store: Store, *, quiet: bool = False, contained: bool = False) -> None:
        """Use a store; `quiet` shows no progress; `contained` runs every step in a container of its image."""
        self._store = store
        self._quiet = quiet
        self._contained = contained
        self._hosts = localrun.Hosts()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._hosts.close()

    def run(
        self, usecase: UseCase, pipeline: str, *, span: int | str | None = None, cache: bool = True
    ) -> tuple[Outcome, Path]:
        """Pin, run and record one pipeline of a use case; returns what came out and where its report is."""
        if not self._contained and not compiled_file(usecase, pipeline, self._store).exists():
            self._warm_up()
        pinned = pin(usecase, pipeline, span, self._store)
        where = (
            containers(usecase, pinned.parameters["source"], self._store)
            if self._contained
            else environments(self._store)
        )
        submission = Submission(usecase.name, pinned.code, release=usecase.section("push_model"), pipeline=pipeline)
        with self._options(submission, cache=cache) as options:
            done = localrun.run(
                pinned.pipeline, pinned.parameters, store=self._store.root, environments=where, options=options
            )
        return finish(run_of(done, submission), self._store)

    def resume(self, run_id: str) -> tuple[Outcome, Path]:
        """Go on with a run that failed, was cancelled or whose process died; finished tasks do not run again."""
        submission = read_submission(self._store, run_id)
        with self._options(submission, cache=True) as options:
            done = localrun.resume(
                run_id, store=self._store.root, environments=environments(self._store), options=options
            )
        return finish(run_of(done, submission), self._store)

    def _warm_up(self) -> None:
        """Start the workers' imports beside compiling: a pipeline that was never compiled has no cached result."""
        for environment in environments(self._store).values():
            self._hosts.get(environment, executes=True)

    @contextmanager
    def _options(self, submission: Submission, *, cache: bool) -> Iterator[localrun.Options]:
        with shown(quiet=self._quiet) as show:

            def on_event(event: Event) -> None:
                if isinstance(event, RunStarted):
                    write_submission(event.folder, submission)
                show(event_of(event, submission))

            try:
                yield localrun.Options(cache=cache, on_event=on_event, hosts=self._hosts)
            except localrun.LocalrunError as error:
                raise MlopsError(str(error)) from error
