"""The kinds of pipelines; a report's headline and next step depend on it."""

from enum import StrEnum


class Kind(StrEnum):
    """What a run produces."""

    TRAINING = "training"
    """A model, and a decision whether it goes into production."""
    TUNING = "tuning"
    """Hyperparameters, and whether they surely help."""
    INFERENCE = "inference"
    """Predictions for rows that have no label yet."""
    MONITORING = "monitoring"
    """Findings about data, or about the model in production."""
    LABELING = "labeling"
    """Labels for rows that have none."""
