"""The sentences of a report that depend on the kind of the pipeline."""

from dataclasses import dataclass

from pipelines.kinds import Kind


@dataclass(frozen=True)
class Wording:
    """Sentences about a run of one kind."""

    closed: str
    """Headline of a run whose gate is closed; a colon and the reason follow."""
    done: str
    """Headline of a run that reached its end."""
    next_step: str
    """Next step after that; `{run}` stands for the run's id."""
    broken: str = ""
    """Headline of a run that failed or was cancelled; empty: as of a closed gate."""


WORDINGS = {
    Kind.TRAINING: Wording(
        closed="Nothing was pushed",
        done="The experiment is done and every gate passed; whether to push the model is your decision.",
        next_step="mlops models push {run}",
    ),
    Kind.TUNING: Wording(
        closed="No hyperparameters were chosen",
        done="The hyperparameters are compared with those in use; the decision has the result.",
        next_step="mlops runs show {run}",
    ),
    Kind.INFERENCE: Wording(
        closed="No predictions were released",
        done="The predictions are written and every gate passed.",
        next_step="mlops runs show {run}",
    ),
    Kind.MONITORING: Wording(
        closed="The monitor found something that a person must check",
        done="The monitor found nothing that a person must check.",
        next_step="Nothing to do.",
        broken="The monitor did not come to its end",
    ),
    Kind.LABELING: Wording(
        closed="No labels were released",
        done="The labels are written and every gate passed.",
        next_step="mlops runs show {run}",
    ),
}
