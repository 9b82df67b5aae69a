"""The file that describes a tuning: read by the training, the report and the command line."""

from typing import Any, Literal

from artifacts.facts import Facts, FactsFile

TUNING = "tuning.json"


class TrialResult(Facts):
    """One point that was trained for some epochs."""

    number: int
    """Counted from 1, in the order in which trials were asked for."""
    hyperparameters: dict[str, Any]
    epochs: int
    """Most epochs that it was given."""
    epochs_run: int
    """Fewer when it was stopped early."""
    rung: int
    """Counted from 0; `bayesian` has one."""
    bracket: int
    """Of `hyperband`."""
    skill: float | None
    """On the held-back span; None when the training failed."""
    failure: str = ""


class Gain(Facts):
    """Skill of the best point minus that of the default, on the same rows of the held-back span."""

    tuned: float
    default: float
    value: float
    low: float | None
    """Lower end of the confidence interval; None where there is too little to tell."""
    high: float | None


class Tuning(Facts, FactsFile):
    """One tuning."""

    FILE = TUNING
    WANTED = "a tuning of hyperparameters"

    version: Literal[1] = 1
    method: str
    skill: str
    """Name of the skill, such as AUC."""
    spans: tuple[int, ...]
    """The spans that trials were trained on."""
    held_back: int
    """The span, after those, that they were compared on."""
    rows: int
    """Of the held-back span."""
    space: dict[str, Any]
    """Hyperparameter -> its values, as `config.yaml` or KerasTuner has them."""
    default: dict[str, Any]
    """The hyperparameters of `train_model`."""
    default_skill: float
    """With the seed of the trials."""
    trials: tuple[TrialResult, ...]
    best: int
    """Number of the best trial of the longest rung."""
    gains: dict[int, Gain]
    """By the seed that both were trained with; empty when the default is as good as the best trial."""
    gain: Gain
    """Over these seeds, or of the trials; its interval is widened for the number of points that were compared."""
    on_bounds: tuple[str, ...]
    """Hyperparameters of the best point that are at the end of their range."""
    applied: bool
    """Whether the training uses the best point; otherwise the default stays."""

    @property
    def best_trial(self) -> TrialResult:
        """The best trial."""
        return self.trials[self.best - 1]

    @property
    def chosen(self) -> dict[str, Any]:
        """The hyperparameters to use in place of `train_model`'s with the same names; empty when the default stays."""
        return self.best_trial.hyperparameters if self.applied else {}

    @property
    def epochs_run(self) -> int:
        """Epochs of all trials together."""
        return sum(trial.epochs_run for trial in self.trials)
