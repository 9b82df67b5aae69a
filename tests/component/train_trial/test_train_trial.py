"""Trials that ran as tasks of their own are those that a tuning would have run itself, and it repeats none of them."""

import json
from pathlib import Path
from typing import Any

import pytest

from artifacts.tuning.finished_trial import FinishedTrial
from artifacts.tuning.tuning import TUNING, Tuning
from components.train_trial.logic import train
from components.tune_model import workers
from components.tune_model.config import Config
from components.tune_model.logic import Inputs, Outputs, tune
from core.errors import ConfigError, CorruptArtifact
from tests.component.three_spans import TRAINING, World, write_world
from training.session import Sources
from training.trials.trial import Outcome, Trial

SPACE = {
    "units": {"choices": [4, 16]},
    "learning_rate": {"min": 0.001, "max": 0.1, "scale": "log"},
}
SECTION: dict[str, Any] = TRAINING | {"epochs": 2}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return write_world(tmp_path_factory.mktemp("trials"), "linear", (200, 200, 200))


def _config(**changes: Any) -> Config:
    return Config.model_validate(
        {"space": SPACE, "method": "halving", "trials": 2, "factor": 2, "workers": 1, "compare_seeds": [3]}
        | {"in_tasks": True, **changes}
    )


def _sources(world: World) -> Sources:
    return Sources(world.module, world.schema, world.examples, world.transform_graph)


@pytest.fixture(scope="module")
def trials(world: World) -> tuple[Path, ...]:
    """The default and the first rung, each as a task gets it: KFP made floats of all numbers."""
    folders = []
    for trial in _config().drawn(SECTION["epochs"], SECTION["seed"]):
        folders.append(world.folder / f"trial-{len(folders)}")
        train(SECTION, json.loads(json.dumps(trial), parse_int=float), _sources(world), folders[-1])
    return tuple(folders)


def _tune(config: Config, world: World, place: Path, trials: tuple[Path, ...] = ()) -> Tuning:
    inputs = Inputs(*_sources(world), trials=trials)
    tune(config, SECTION, inputs, Outputs(place, place.with_suffix(".json"), place.with_suffix(".html")))
    return Tuning.read(place)


def test_a_tuning_of_tasks_trains_only_what_depends_on_them(
    world: World, trials: tuple[Path, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, started = workers._run, []

    def counted(trial: Trial) -> Outcome:
        started.append(trial)
        return run(trial)

    monkeypatch.setattr(workers, "_run", counted)
    tuning = _tune(_config(), world, tmp_path / "tuned", trials[::-1])  # a cluster's order is its own
    drawn = [FinishedTrial.read(folder) for folder in trials]
    assert [one.number for one in drawn] == [0, 1, 2]
    assert [(one.hyperparameters, one.skill) for one in tuning.trials[:2]] == [
        (one.hyperparameters, one.skill) for one in drawn[1:]
    ]
    assert tuning.default_skill == drawn[0].skill
    assert {(trial.epochs, trial.keeps_scores) for trial in started} <= {(2, False), (2, True)}
    assert [trial for trial in started if not trial.keeps_scores] == [
        Trial(tuning.best_trial.hyperparameters, 2, SECTION["seed"])
    ]
    assert [path.name for path in (tmp_path / "tuned").iterdir()] == [TUNING]


def test_a_trial_of_other_settings_is_refused(world: World, trials: tuple[Path, ...], tmp_path: Path) -> None:
    found = FinishedTrial.read(trials[1])
    found.model_copy(update={"context": "sha256:of another problem"}).write(tmp_path / "other")
    with pytest.raises(CorruptArtifact, match=r"trial 1 was run with other data, code or settings"):
        _tune(_config(), world, tmp_path / "tuned", (*trials[:1], tmp_path / "other"))


def test_a_name_that_nothing_reads_ends_the_first_trial(world: World, tmp_path: Path) -> None:
    trial = {"number": 1, "hyperparameters": {"unts": 8}, "epochs": 1, "seed": 5}
    with pytest.raises(ConfigError, match=r"tune_model.space: build_model reads no .*'unts'; did you mean 'units'"):
        train(SECTION, trial, _sources(world), tmp_path / "trial")


@pytest.mark.parametrize(
    ("changes", "refused"),
    [({"method": "bayesian"}, "in_tasks: wanted method halving"), ({"space": {}}, "in_tasks: wanted a space")],
)
def test_only_what_can_be_drawn_before_is(changes: dict[str, Any], refused: str) -> None:
    with pytest.raises(ValueError, match=refused):
        _config(**changes)
