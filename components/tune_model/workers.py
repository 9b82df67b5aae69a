"""Runs trials side by side in processes, each of which opens the problem once."""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import partial
from typing import Any

import tensorflow as tf

from adapters import tf_fork
from core.errors import TrainingError
from training.session import Session, opened
from training.trials.problem import Asks, HeldBack, Problem, asks, held_back, run
from training.trials.trial import Outcome, Trial

Finished = Callable[[Trial, Outcome], None]
"""Called with each trial as it ends."""


class Workers:
    """Runs trials; one process each, or this process alone."""

    def __init__(self, problem: Problem, pool: ProcessPoolExecutor | None, session: Session | None) -> None:
        self._problem = problem
        self._pool = pool
        self._session = session

    def asks(self, names: Sequence[str]) -> Asks:
        """Build the module's model once, and return what it asks for; `names` are those of the space."""
        return self._call(_asks, list(names))  # type: ignore[no-any-return]

    def held_back(self) -> HeldBack:
        """Return the labels that the scores of trials belong to."""
        return self._call(_held_back)  # type: ignore[no-any-return]

    def run(self, trials: Sequence[Trial], finished: Finished) -> list[Outcome]:
        """Run trials and return their outcomes in the same order.

        Raises MlopsError when a process dies; other errors of the user's module pass through.
        """
        if self._pool is None:
            outcomes = []
            for trial in trials:
                outcomes.append(_run(trial))
                finished(trial, outcomes[-1])
            return outcomes
        waiting: dict[Future[Outcome], Trial] = {}
        for trial in trials:
            future = self._pool.submit(_run, trial)
            future.add_done_callback(partial(_report, trial, finished))
            waiting[future] = trial
        return [self._result(future) for future in waiting]

    def _call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        if self._pool is None:
            return function(*arguments)
        return self._result(self._pool.submit(function, *arguments))

    @staticmethod
    def _result(future: "Future[Any]") -> Any:
        try:
            return future.result()
        except BrokenProcessPool:
            raise TrainingError(
                "tune_model: wanted a trial to end, got a process that died, probably for lack of memory; finished "
                "trials are kept: run again, with fewer tune_model.workers or more steps.tune_model.resources.memory"
            ) from None


def _report(trial: Trial, finished: Finished, done: "Future[Outcome]") -> None:
    if not done.cancelled() and done.exception() is None:
        finished(trial, done.result())


@contextmanager
def started(problem: Problem, workers: int) -> Iterator[Workers]:
    """Start the processes, by a fork of this one, which has imported TensorFlow but must not have used it.

    With one worker, trials run in this process.
    """
    if workers == 1:
        with _in_this_process(problem):
            yield Workers(problem, None, None)
        return
    pool = ProcessPoolExecutor(workers, tf_fork.context(), initializer=_open, initargs=(problem, workers))
    try:
        yield Workers(problem, pool, None)
    finally:
        pool.shutdown(cancel_futures=True)


_opened: list[tuple[Problem, Session]] = []
"""The problem of this process."""


@contextmanager
def _in_this_process(problem: Problem) -> Iterator[None]:
    with opened(problem.settings, problem.sources, problem.spans) as session:
        _opened.append((problem, session))
        try:
            yield
        finally:
            _opened.pop()


def _open(problem: Problem, workers: int) -> None:
    """Open the problem for as long as this process runs; the processes share the cores."""
    tf_fork.die_with_parent()
    threads = max(1, len(os.sched_getaffinity(0)) // workers)
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    context = _in_this_process(problem)
    context.__enter__()
    _kept_open.append(context)


_kept_open: list[Any] = []


def _asks(names: list[str]) -> Asks:
    _, session = _opened[-1]
    return asks(session, names)


def _held_back() -> HeldBack:
    problem, session = _opened[-1]
    return held_back(session, problem)


def _run(trial: Trial) -> Outcome:
    problem, session = _opened[-1]
    return run(session, problem, trial)
