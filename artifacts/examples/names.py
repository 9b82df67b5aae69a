"""The names of splits, folders and files of examples; no other module has them."""

TRAIN, VALIDATION, EVAL = "train", "validation", "eval"
"""The splits of every run: for training, for early stopping, and for evaluation."""
SPLITS = (TRAIN, VALIDATION, EVAL)
UNLABELED = "unlabeled"
"""The split of rows that are ingested to be predicted."""

MANIFEST = "manifest.json"
REJECTS = "rejects.jsonl"
"""Invalid source rows that were left out: one JSON object per line, with the reason."""
COLUMNS_FOLDER = "columns"

_SPLIT_PREFIX = "Split-"


def split_folder(split: str) -> str:
    """Name of a split's folder, as TFX has it."""
    return f"{_SPLIT_PREFIX}{split}"


def split_of(folder: str) -> str | None:
    """Return the split of a folder's name; None when it is not the folder of a split."""
    return folder.removeprefix(_SPLIT_PREFIX) if folder.startswith(_SPLIT_PREFIX) else None


def shard_stem(split: str, span: int) -> str:
    """Path prefix of a split's shard of a span, relative to the examples folder."""
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
