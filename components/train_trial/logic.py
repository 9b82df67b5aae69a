"""Trains one point of a tuning in a task of its own, as `tune_model` trains it in one of its processes."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from artifacts.tuning.finished_trial import FinishedTrial
from core.user_config import as_written
from problems import kind
from training.session import Sources as Inputs
from training.session import opened
from training.settings import TrainingSettings
from training.trials.problem import Problem, asks, check_names, run
from training.trials.trial import Trial, described

__all__ = ["Inputs", "train"]


def train(section: Mapping[str, Any], given: Mapping[str, Any], inputs: Inputs, outcome: Path | str) -> None:
    """Train a trial and write how it went; a training that fails, such as by a loss that is not finite, is an outcome.

    Raises DataError for one training span, ConfigError for a hyperparameter that `build_model` does not read.
    """
    settings = TrainingSettings.of(section)
    problem = Problem.of(settings, inputs)
    number, trial = _trial(given)
    with opened(settings, inputs, problem.spans) as session:
        names = list(trial.hyperparameters)
        check_names(names, asks(session, names), settings)
        found = run(session, problem, trial)
    skill = kind(settings.task).skill_name
    print(f"trial {number or 'of the default'}: {described(skill, trial.hyperparameters, found)}", flush=True)
    FinishedTrial(
        number=number,
        context=problem.context,
        hyperparameters=trial.hyperparameters,
        epochs=trial.epochs,
        seed=trial.seed,
        skill=found.skill,
        epochs_run=found.epochs_run,
        failure=found.failure,
    ).write(outcome)


def _trial(given: Mapping[str, Any]) -> tuple[int, Trial]:
    """Return number and trial; KFP turned their integers into floats."""
    written = as_written(dict(given))
    return written["number"], Trial(written["hyperparameters"], written["epochs"], written["seed"])
