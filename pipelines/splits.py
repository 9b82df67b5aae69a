"""Checks what rows are divided by: only what is known before the label."""

from pathlib import Path

from components.ingest_examples.config import Split
from core.errors import ConfigError
from pipelines.yaml_lines import YamlFile


def check(split: Split, label: str, file: YamlFile) -> None:
    """Raise ConfigError for splits that depend on the label: rows would move between them when labels arrive."""
    for key in ("group_by", "stratify_by"):
        if label in (getattr(split, key) or ()):
            raise ConfigError(
                f"{file.where(('ingest_examples', 'split', key))}: wanted columns that are known before the label, "
                f"got the label {label!r}: rows would move between the splits when labels arrive"
            )


def check_trained_spans(window: int, stage: str, config: Path) -> None:
    """Raise ConfigError for a stage that holds back the last training span, where there is no span before it."""
    if window < 2:
        raise ConfigError(
            f"{config}: {stage}: wanted two spans to train on, of which the last is held back to compare models on, "
            f"got ingest_examples.window: {window}; set it to 2 or more, or leave {stage} out"
        )
