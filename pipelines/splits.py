"""Checks what rows are divided by: only what is known before the label."""

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
