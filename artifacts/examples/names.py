"""The names that examples have: their splits, folders and files, spelled here and nowhere else."""

TRAIN, VALIDATION, EVAL = "train", "validation", "eval"
"""The splits that every run has: what is fitted to, what stops the fitting early, and what is evaluated on."""
SPLITS = (TRAIN, VALIDATION, EVAL)

MANIFEST = "manifest.json"
REJECTS = "rejects.jsonl"
"""Rows of the source that were left out, one JSON object a line, each with its reason."""
COLUMNS_FOLDER = "columns"

_SPLIT_PREFIX = "Split-"


def split_folder(split: str) -> str:
    """Name of a split's folder, as TFX has it."""
    return f"{_SPLIT_PREFIX}{split}"


def split_of(folder: str) -> str | None:
    """Return the split that a folder of this name holds, or None when it holds none."""
    return folder.removeprefix(_SPLIT_PREFIX) if folder.startswith(_SPLIT_PREFIX) else None


def shard_stem(split: str, span: int) -> str:
    """Path of a split's part of a span, below the examples folder and without what follows the span's number."""
    return f"{split_folder(split)}/span-{span:05d}"


def records_name(stem: str) -> str:
    """Path of the gzipped TFRecord file of a shard."""
    return f"{stem}-00000-of-00001.gz"


def columns_name(stem: str) -> str:
    """Path of the same shard's Arrow columns."""
    return f"{COLUMNS_FOLDER}/{stem}.arrow"


def split_glob(split: str) -> str:
    """Pattern, below the examples folder, of the TFRecord files of a split."""
    return f"{split_folder(split)}/*.gz"


def span_glob(span: int) -> str:
    """Pattern, below the examples folder, of the TFRecord files of a span over all splits."""
    return f"{shard_stem('*', span)}-*.gz"
