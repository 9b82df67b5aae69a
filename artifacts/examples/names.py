"""The names of splits, folders and files of examples; no other module has them."""

import re
from typing import NamedTuple

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
_PLACE = re.compile(r"-(\d{5})-of-(\d{5})\.gz$")


def split_folder(split: str) -> str:
    """Name of a split's folder, as TFX has it."""
    return f"{_SPLIT_PREFIX}{split}"


def split_of(folder: str) -> str | None:
    """Return the split of a folder's name; None when it is not the folder of a split."""
    return folder.removeprefix(_SPLIT_PREFIX) if folder.startswith(_SPLIT_PREFIX) else None


def shard_stem(split: str, span: int) -> str:
    """Path prefix of a split's shard of a span, relative to the examples folder."""
    return f"{split_folder(split)}/span-{span:05d}"


class Place(NamedTuple):
    """Which part of a span a shard holds: its number, and how many parts there are."""

    number: int = 0
    of: int = 1


WHOLE = Place()


def records_name(stem: str, place: Place = WHOLE) -> str:
    """Path of the gzipped TFRecord file of a shard."""
    return f"{stem}-{place.number:05d}-of-{place.of:05d}.gz"


def place_of(name: str) -> Place:
    """Return which part of its span a shard of this name holds."""
    found = _PLACE.search(name)
    return Place(int(found[1]), int(found[2])) if found else WHOLE


def columns_name(stem: str, place: Place = WHOLE) -> str:
    """Path of the same shard's Arrow columns."""
    part = "" if place == WHOLE else f"-{place.number:05d}-of-{place.of:05d}"
    return f"{COLUMNS_FOLDER}/{stem}{part}.arrow"


def split_glob(split: str) -> str:
    """Pattern, below the examples folder, of the TFRecord files of a split."""
    return f"{split_folder(split)}/*.gz"
