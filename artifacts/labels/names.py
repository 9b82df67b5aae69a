"""The folder of a use case's labels, and its files.

    <store>/labels/<usecase>/2026-11.jsonl

A line is `{"key": ..., "label": ..., "annotator": ..., "time": ..., "source": ...}`: the key of a row, the label that
an annotator gave it, when, as RFC 3339 has it, and where the line comes from, such as `serve` or `label-studio`. Lines
are only appended. A later line of the same annotator with the same key corrects the earlier one.
"""

from typing import Final

ROOT: Final = "labels"
"""The folder in the store; it has a folder for each use case."""
SUFFIX: Final = ".jsonl"


def labels_folder(store: str, usecase: str) -> str:
    """Return the folder of a use case's label files below a store's root or address."""
    return f"{store}/{ROOT}/{usecase}"
