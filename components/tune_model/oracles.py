"""Which point is tried next: KerasTuner's oracles, and successive halving in the same form."""

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import keras_tuner
from keras_tuner.oracles import BayesianOptimizationOracle, HyperbandOracle

from components.tune_model.config import Config
from components.tune_model.rungs import Rung, halving_rungs

_OBJECTIVE = "skill"
_NEVER = 1 << 30


class Asked(NamedTuple):
    """A point that an oracle wants to know the skill of."""

    values: dict[str, Any]
    epochs: int
    rung: int
    bracket: int


class HalvingOracle(keras_tuner.Oracle):  # type: ignore[misc]  # KerasTuner has no types
    """Successive halving: the given points on the first rung, or random ones; the best of each rung on the next."""

    def __init__(self, rungs: Sequence[Rung], points: Sequence[Mapping[str, Any]] = (), **further: Any) -> None:
        super().__init__(**further)
        self._points = points
        self._rungs = [(rung, []) for rung in rungs]  # type: ignore[var-annotated]

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """Return the next point, as KerasTuner's oracles do."""
        for index, (rung, ids) in enumerate(self._rungs):
            if len(ids) == rung.trials:
                continue
            values = self._promoted(index) if index else self._first(len(ids))
            if values is not None:
                ids.append(trial_id)
                return {"status": "RUNNING", "values": values | {"tuner/epochs": rung.epochs, "tuner/round": index}}
            if self.ongoing_trials:
                break  # a rung is smaller than planned only when the space is exhausted or trials failed
        return {"status": "IDLE" if self.ongoing_trials else "STOPPED"}

    def _first(self, number: int) -> dict[str, Any] | None:
        """Return a point of the first rung; None when there are no more."""
        if not self._points:
            return self._random_values()  # type: ignore[no-any-return]
        return dict(self._points[number]) if number < len(self._points) else None

    def _promoted(self, index: int) -> dict[str, Any] | None:
        """Return the best point of the rung before that is not on this one; None while that rung is running."""
        ids, ahead = self._rungs[index - 1][1], self._rungs[index][1]
        before = [self.trials[one] for one in ids]
        if any(trial.status == "RUNNING" for trial in before):
            return None
        best = sorted((one for one in before if one.status == "COMPLETED"), key=lambda one: -one.score)
        if len(ahead) >= len(best):
            return None
        values: dict[str, Any] = best[len(ahead)].hyperparameters.values
        return {name: value for name, value in values.items() if not name.startswith("tuner/")}


def search(
    config: Config,
    space: keras_tuner.HyperParameters,
    epochs: int,
    run: Callable[[Sequence[Asked]], Sequence[float | None]],
    points: Sequence[Mapping[str, Any]] = (),
) -> None:
    """Ask an oracle until it stops; `run` trains points and returns their skills, None for one that failed.

    `points` are the first that `halving` asks for, in place of random ones.

    Points that are asked for together are heard of together, in their order: what is proposed does not depend on which
    process ends first.
    """
    with tempfile.TemporaryDirectory(prefix="oracle-") as folder:
        oracle = _oracle(config, space, epochs, points)
        oracle._set_project_dir(folder, "tuning")
        oracle.verbose = 0
        while asked := list(_asked(oracle, config)):
            skills = run([_point(trial, epochs) for trial in asked])
            for trial, skill in zip(asked, skills, strict=True):
                _end(oracle, trial, skill)


def _end(oracle: Any, trial: Any, skill: float | None) -> None:
    if skill is not None:
        oracle.update_trial(trial.trial_id, {_OBJECTIVE: skill})
    trial.status = "FAILED" if skill is None else "COMPLETED"
    oracle.end_trial(trial)


def planned(config: Config, epochs: int) -> int:
    """Return how many trials there are, at most."""
    if config.method == "halving":
        return sum(rung.trials for rung in halving_rungs(config.trials, epochs, config.factor))
    if config.method == "bayesian":
        return config.trials
    oracle = HyperbandOracle(
        objective=keras_tuner.Objective(_OBJECTIVE, "max"), max_epochs=epochs, factor=config.factor
    )
    sizes = [
        oracle._get_size(bracket, rung)
        for bracket in range(oracle._get_num_brackets())
        for rung in range(oracle._get_num_rounds(bracket))
    ]
    return sum(sizes)


def _oracle(
    config: Config, space: keras_tuner.HyperParameters, epochs: int, points: Sequence[Mapping[str, Any]]
) -> Any:
    shared: dict[str, Any] = {
        "objective": keras_tuner.Objective(_OBJECTIVE, "max"),
        "hyperparameters": space.copy(),
        "allow_new_entries": False,
        "tune_new_entries": False,
        "seed": config.seed,
        "max_consecutive_failed_trials": _NEVER,  # the gate counts them
    }
    if config.method == "halving":
        return HalvingOracle(halving_rungs(config.trials, epochs, config.factor), points, **shared)
    if config.method == "hyperband":
        return HyperbandOracle(max_epochs=epochs, factor=config.factor, **shared)
    return BayesianOptimizationOracle(max_trials=config.trials, **shared)


def _asked(oracle: Any, config: Config) -> Iterator[Any]:
    most = config.side_by_side if config.method == "bayesian" else _NEVER
    for index in range(most):
        trial = oracle.create_trial(f"tuner{index}")
        if trial.status != "RUNNING":
            return
        yield trial


def _point(trial: Any, epochs: int) -> Asked:
    values = trial.hyperparameters.values
    own = {name: value for name, value in values.items() if not name.startswith("tuner/")}
    return Asked(
        own,
        int(values.get("tuner/epochs", epochs)),
        int(values.get("tuner/round", 0)),
        int(values.get("tuner/bracket", 0)),
    )
