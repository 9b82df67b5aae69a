"""How a run is told, by the kind of its pipeline."""

from dataclasses import dataclass

from pipelines.kinds import Kind


@dataclass(frozen=True)
class Wording:
    """Sentences about a run of one kind."""

    closed: str
    """What a run that stops at a gate, fails or is cancelled did not do; the reason follows after a colon."""
    done: str
    """Headline of a run that reached its end."""
    next_step: str
    """What a person does after that; `{run}` stands for the run's id."""


WORDINGS = {
    Kind.TRAINING: Wording(
        closed="Nothing was pushed",
        done="The experiment is done; every gate is open, and pushing is a person's decision.",
        next_step="mlops models push {run}",
    ),
    Kind.INFERENCE: Wording(
        closed="No predictions were released",
        done="The predictions are written; every gate is open.",
        next_step="mlops runs show {run}",
    ),
    Kind.MONITORING: Wording(
        closed="The monitor wants a person to look",
        done="The monitor found nothing that a person must look at.",
        next_step="Nothing to do.",
    ),
    Kind.LABELING: Wording(
        closed="No labels were released",
        done="The labels are written; every gate is open.",
        next_step="mlops runs show {run}",
    ),
}
