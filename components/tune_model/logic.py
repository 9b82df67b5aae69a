"""Searches hyperparameters, and compares the best point with the default on rows that no trial was trained on."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import keras_tuner

from artifacts.tuning.finished_trial import FinishedTrial
from artifacts.tuning.tuning import Gain, TrialResult, Tuning
from components.tune_model import comparison, gate, oracles
from components.tune_model.config import Config
from components.tune_model.oracles import Asked
from components.tune_model.pictures import draw
from components.tune_model.space import Space
from components.tune_model.workers import Workers, started
from core.errors import ConfigError, CorruptArtifact, TrainingError
from core.object_stores import locations
from core.object_stores.locations import Location
from problems import kind
from training.session import Sources
from training.settings import TrainingSettings
from training.trials.journal import Journal
from training.trials.problem import GIVEN, HeldBack, Problem, check_names
from training.trials.trial import Outcome, Trial, described

JOURNAL = "trials"
"""Folder of an output with the finished trials, until all are."""


class Inputs(NamedTuple):
    """References of module and schema, and folders."""

    module: str
    schema: str
    examples: Path | str
    transform_graph: Path | str
    registry: str = ""
    """Finished trials are kept beside it, also where it is an address; without it in the output's folder."""
    trials: tuple[Path | str, ...] = ()
    """Folders of the trials that ran as tasks of their own: the default, and the first rung."""


class Outputs(NamedTuple):
    """The paths of the outputs."""

    tuning: Path | str
    decision: Path | str
    pictures: Path | str


def tune(config: Config, section: Mapping[str, Any], inputs: Inputs, outputs: Outputs) -> dict[str, Any]:
    """Run the trials, and write what they found; a tuning that was killed continues with the trials that are left.

    `section` is that of `train_model`; it is returned with the hyperparameters to train with.

    Raises DataError for one training span, ConfigError for an empty space or a hyperparameter that `build_model` does
    not read, TrainingError when no trial ends with a finite loss.
    """
    training = TrainingSettings.of(section)
    problem = Problem.of(training, Sources(inputs.module, inputs.schema, inputs.examples, inputs.transform_graph))
    folder, context = Path(outputs.tuning), problem.context
    journal = Journal(_kept_at(inputs.registry, folder, context), context)
    points = _finished(inputs.trials, journal, context)
    with started(problem, config.workers) as workers:
        space = _space(config, workers, training)
        rows = workers.held_back()
        run = _Tuning(config, problem, workers, journal)
        run.search(space, points)
        tuning = run.result(space, rows)
    decision = gate.decide(config, tuning)
    draw(tuning, space, decision.checks[-1].observed if decision.checks else "", outputs.pictures)  # type: ignore[arg-type]
    tuning.write(folder)
    decision.write(outputs.decision)
    journal.remove()
    return {**section, "hyperparameters": training.hyperparameters | tuning.chosen}


def _kept_at(registry: str, output: Path, context: str) -> Location:
    """Return where finished trials are kept: in the store, since what a killed attempt leaves in its output is gone."""
    if not registry:
        return output / JOURNAL
    store = registry.removeprefix("file://").rpartition("/")[0]
    return locations.join(locations.located(store), "tunings", context.rpartition(":")[2])


def _finished(folders: Sequence[Path | str], journal: Journal, context: str) -> list[dict[str, Any]]:
    """Add the trials of tasks to the journal, and return the points of the first rung, as they were drawn.

    Raises CorruptArtifact for a trial of another problem.
    """
    found = sorted((FinishedTrial.read(folder) for folder in folders), key=lambda one: one.number)
    for one in found:
        if one.context != context:
            raise CorruptArtifact(
                f"tune_model: trial {one.number} was run with other data, code or settings than this tuning; run again "
                "with --no-cache"
            )
        trial = Trial(one.hyperparameters, one.epochs, one.seed)
        journal.add(trial, Outcome(one.skill, one.epochs_run, one.failure))
    return [one.hyperparameters for one in found if one.number]


def _space(config: Config, workers: Workers, training: TrainingSettings) -> Space:
    names = list(config.space)
    asks = workers.asks(names)
    if names:
        check_names(names, asks, training)
        return Space.of(config.space)
    if asks.declared is None:
        raise ConfigError(
            "tune_model.space: wanted at least one hyperparameter, got an empty space; build_model reads "
            f"{', '.join(sorted(asks.names - GIVEN)) or 'none'}"
        )
    space = Space(keras_tuner.HyperParameters.from_config(asks.declared))
    if not space.hyperparameters.space:
        raise ConfigError("tune_model: wanted at least one hyperparameter, but build_model(hp) declares none")
    return space


class _Tuning:
    """One search as it goes on."""

    def __init__(self, config: Config, problem: Problem, workers: Workers, journal: Journal) -> None:
        self._config = config
        self._problem = problem
        self._workers = workers
        self._journal = journal
        self._epochs = config.epochs or problem.settings.epochs
        self._skill = kind(problem.settings.task).skill_name
        self._trials: list[tuple[Asked, Trial, Outcome]] = []
        self._default = Outcome(None)
        self._count = 0
        self._total = 0

    def search(self, space: Space, points: Sequence[Mapping[str, Any]]) -> None:
        """Train the default, then what the oracle asks for; TrainingError when the default has no finite loss.

        `points` are those of the first rung, where they are drawn already.
        """
        self._total = 1 + oracles.planned(self._config, self._epochs)
        (self._default,) = self._run([self._trial({}, self._epochs)])
        if self._default.skill is None:
            raise TrainingError(
                f"tune_model: the default does not train, so there is nothing to compare with: {self._default.failure}"
            )

        def run(asked: Sequence[Asked]) -> list[float | None]:
            trials = [self._trial(space.point(one.values), one.epochs) for one in asked]
            outcomes = self._run(trials)
            self._trials += zip(asked, trials, outcomes, strict=True)
            return [outcome.skill for outcome in outcomes]

        drawn = [space.values(point) for point in points]
        oracles.search(self._config, space.hyperparameters, self._epochs, run, drawn)
        if all(outcome.skill is None for _, _, outcome in self._trials):
            raise TrainingError(
                f"tune_model: no trial ended with a finite loss, the last one: {self._trials[-1][2].failure}"
            )

    def result(self, space: Space, rows: HeldBack) -> Tuning:
        """Compare the best trial of the longest rung with the default on other seeds, and describe everything."""
        ended = [index for index, (_, _, outcome) in enumerate(self._trials) if outcome.skill is not None]
        longest = max(self._trials[index][0].epochs for index in ended)
        best = max(
            (index for index in ended if self._trials[index][0].epochs == longest),
            key=lambda index: self._trials[index][2].skill or 0.0,
        )
        point, outcome = self._trials[best][1].hyperparameters, self._trials[best][2]
        gain = comparison.of_trials(outcome, self._default)
        gains: dict[int, Gain] = {}
        if gain.value > 0:
            gain, gains = self._compared(point, rows)
        on_bounds = space.on_bounds(point)
        share = len(ended) / len(self._trials)
        inside = not on_bounds or self._config.on_bound == "accept"
        return Tuning(
            method=self._config.method,
            skill=self._skill,
            spans=self._problem.spans,
            held_back=self._problem.held_back,
            rows=len(rows.labels),
            space=space.described(),
            default=self._problem.settings.hyperparameters,
            default_skill=self._default.skill or 0.0,
            trials=tuple(self._described()),
            best=best + 1,
            gains=gains,
            gain=gain,
            on_bounds=on_bounds,
            applied=gate.is_sure(self._config, gain) and inside and share >= self._config.min_finite,
        )

    def _compared(self, point: dict[str, Any], rows: HeldBack) -> tuple[Gain, dict[int, Gain]]:
        """Train the best point and the default with every seed, and return the gain over all and of each."""
        seeds = self._config.compare_seeds
        trials = [Trial(given, self._epochs, seed, keeps_scores=True) for seed in seeds for given in (point, {})]
        self._total = self._count + len(trials)
        outcomes = self._run(trials)
        points = len({json.dumps(trial.hyperparameters, sort_keys=True) for _, trial, _ in self._trials})
        confidence = comparison.widened(self._config.confidence, points)
        gains = {}
        for seed, tuned, default in zip(seeds, outcomes[::2], outcomes[1::2], strict=True):
            if tuned.scores is None or default.scores is None:
                return Gain(tuned=0.0, default=self._default.skill or 0.0, value=0.0, low=None, high=None), {}
            task = self._problem.settings.task
            gains[seed] = comparison.gain_of(task, rows, tuned.scores, default.scores, confidence)
        return comparison.over_seeds(list(gains.values()), confidence), gains

    def _trial(self, point: dict[str, Any], epochs: int) -> Trial:
        return Trial(point, epochs, self._problem.settings.seed)

    def _run(self, trials: Sequence[Trial]) -> list[Outcome]:
        """Return the outcomes of trials; those in the journal do not run again, nor do equal ones twice."""
        known = {trial.key(""): found for trial in trials if (found := self._journal.find(trial)) is not None}
        for key, outcome in known.items():
            self._print(next(trial for trial in trials if trial.key("") == key), outcome, "kept")
        missing = {trial.key(""): trial for trial in trials if trial.key("") not in known}

        def finished(trial: Trial, outcome: Outcome) -> None:
            self._journal.add(trial, outcome)
            self._print(trial, outcome, "")

        outcomes = self._workers.run(list(missing.values()), finished)
        known |= dict(zip(missing, outcomes, strict=True))
        return [known[trial.key("")] for trial in trials]

    def _print(self, trial: Trial, outcome: Outcome, note: str) -> None:
        """Print one line per trial, which `mlops tune` shows while it waits."""
        self._count += 1
        kept = f" ({note})" if note else ""
        line = described(self._skill, trial.hyperparameters, outcome)
        print(f"trial {self._count} of {self._total}{kept}: {line}", flush=True)

    def _described(self) -> list[TrialResult]:
        return [
            TrialResult(
                number=index,
                hyperparameters=trial.hyperparameters,
                epochs=trial.epochs,
                epochs_run=outcome.epochs_run,
                rung=asked.rung,
                bracket=asked.bracket,
                skill=outcome.skill,
                failure=outcome.failure,
            )
            for index, (asked, trial, outcome) in enumerate(self._trials, start=1)
        ]
