"""The names of the files of bulk inference."""

MANIFEST = "manifest.json"
INFERENCES = "inferences"
"""Folder of a store, beside its registry, with the finished shards of inferences that are going on."""


def logs_name(number: int, of: int) -> str:
    """Name of a file of prediction logs, as TFX has it."""
    return f"prediction_logs-{number:05d}-of-{of:05d}.gz"


def shard_name(stem: str, number: int, of: int, suffix: str) -> str:
    """Name of a file of examples or Parquet, below the folder of the artifact."""
    return f"{stem}-{number:05d}-of-{of:05d}.{suffix}"
