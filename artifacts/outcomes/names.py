"""The folder of a model's outcomes, and its files.

    <store>/outcomes/<model>/2013-10.jsonl

A line is `{"key": ..., "label": ..., "time": ...}`: the key of a logged prediction, its label, and when the label
became known, as RFC 3339 has it. Lines are only appended. A later line with the same key corrects the label.
"""

from pathlib import Path
from typing import Final

ROOT: Final = "outcomes"
"""The folder in the store; it has a folder for each model."""
SUFFIX: Final = ".jsonl"


def outcomes_folder(store: Path | str, model: str) -> str:
    """Return the folder of a model's outcomes below a store's root or address."""
    return f"{store}/{ROOT}/{model}"
