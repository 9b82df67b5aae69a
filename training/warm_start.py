"""Saves weights in a SavedModel, and starts a training from the champion's."""

import logging
from pathlib import Path

import keras
import numpy as np

from artifacts.model.names import WEIGHTS
from core.backends.registry import find

log = logging.getLogger(__name__)


def save_weights(model: keras.Model, saved_model: Path) -> None:
    """Write the weights for a later warm start."""
    path = saved_model / WEIGHTS
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, **{weight.path: weight.numpy() for weight in model.weights})


def warm_start(model: keras.Model, vocabularies: Path, registry: str, champion: str) -> list[str]:
    """Set the weights that the champion has with the same path and shape, and return their paths.

    Vocabularies that differ from the champion's are logged, because a row of an embedding is then another token's.
    """
    folder = find(registry, champion).path
    path = folder / WEIGHTS
    for vocabulary in sorted(vocabularies.glob("*")):
        theirs = folder / "assets" / vocabulary.name
        if not theirs.is_file() or theirs.read_bytes() != vocabulary.read_bytes():
            log.warning(
                "the vocabulary %s is not the champion's: its embeddings start from other tokens", vocabulary.name
            )
    if not path.is_file():
        log.warning("no warm start: %s keeps no %s", champion, WEIGHTS)
        return []
    with np.load(path, allow_pickle=False) as file:
        known = dict(file)
    taken = [
        weight for weight in model.weights if weight.path in known and known[weight.path].shape == tuple(weight.shape)
    ]
    for weight in taken:
        weight.assign(known[weight.path])
    paths = [weight.path for weight in taken]
    new = [weight.path for weight in model.weights if weight.path not in paths]
    log.info(
        "warm start from %s: %d of %d weights; new: %s",
        champion,
        len(paths),
        len(model.weights),
        ", ".join(new) or "none",
    )
    return paths
