"""Runs trials side by side in processes, each of which opens the problem once."""

import ctypes
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from tensorflow.python.eager import context as eager_context

from artifacts.examples.names import TRAIN, VALIDATION
from components.tune_model.trials import Outcome, Scores, Trial
from core import user_code
from core.errors import TrainingError
from problems import kind
from training.hypermodel import AskedFor, declared_space, declares_its_space
from training.session import Session, Sources, opened
from training.settings import TrainingSettings

_DIE_WITH_PARENT = 1
"""Linux' PR_SET_PDEATHSIG: a worker whose parent was killed would wait for its next trial for ever."""
Finished = Callable[[Trial, Outcome], None]
"""Called with each trial as it ends."""


@dataclass(frozen=True)
class Problem:
    """What trials have in common."""

    settings: TrainingSettings
    sources: Sources
    spans: tuple[int, ...]
    """The spans that they are trained on."""
    held_back: int
    """The span that they are compared on."""


class Asks(NamedTuple):
    """What the module's `build_model` asks for."""

    names: frozenset[str]
    """Hyperparameters that it reads, as far as that can be seen."""
    declared: dict[str, Any] | None
    """The space that a `build_model(hp)` declares; None for one that takes plain hyperparameters."""


class HeldBack(NamedTuple):
    """Labels and weights of the span that trials are compared on, [rows]."""

    labels: Scores
    weights: Scores | None


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
    # A fork of a process whose TensorFlow has threads would hang.
    method = "spawn" if eager_context.context()._initialized else "fork"
    pool = ProcessPoolExecutor(
        workers, multiprocessing.get_context(method), initializer=_open, initargs=(problem, workers)
    )
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
    ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)
    threads = max(1, len(os.sched_getaffinity(0)) // workers)
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    context = _in_this_process(problem)
    context.__enter__()
    _kept_open.append(context)


_kept_open: list[Any] = []


def _asks(names: list[str]) -> Asks:
    _, session = _opened[-1]
    build: Any = user_code.function(session.module, "build_model")
    if declares_its_space(build):
        if names:
            return Asks(frozenset(), {})  # refused, whatever it declares
        return Asks(frozenset(names), declared_space(build, session.hyperparameters))
    asked = AskedFor(session.hyperparameters)
    session.build(lambda transform, _: build(transform, asked))
    return Asks(frozenset(asked.names), None)


def _rows(session: Session, model: Any, problem: Problem) -> list[Any]:
    return [session.rows(model, split, (problem.held_back,)) for split in (TRAIN, VALIDATION)]


def _held_back() -> HeldBack:
    problem, session = _opened[-1]
    found = [rows.labels_and_weights() for rows in _rows(session, session.build(), problem)]
    weights = [weight for _, weight in found if weight is not None]
    return HeldBack(
        np.concatenate([labels for labels, _ in found]), np.concatenate(weights) if len(weights) == len(found) else None
    )


def _run(trial: Trial) -> Outcome:
    problem, session = _opened[-1]
    variant = session.variant(epochs=trial.epochs, seed=trial.seed, hyperparameters=trial.hyperparameters)
    try:
        model = variant.build()
        fitted = variant.fit(model)
    except TrainingError as error:
        return Outcome(None, failure=str(error))
    found = [variant.predictions(model, rows) for rows in _rows(variant, model, problem)]
    labels = np.concatenate([one.labels for one in found])
    scores = np.concatenate([one.scores for one in found])
    weights = [one.weights for one in found if one.weights is not None]
    skill = kind(problem.settings.task).skill(labels, scores, np.concatenate(weights) if weights else None)
    if not np.isfinite(skill):
        return Outcome(None, failure=f"the skill on span {problem.held_back} is {skill}")
    return Outcome(float(skill), len(fitted.history["loss"]), scores=scores if trial.keeps_scores else None)
