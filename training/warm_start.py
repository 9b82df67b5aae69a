"""Saves weights in a SavedModel, and starts a training from the champion's."""

import logging
from pathlib import Path

import keras
import numpy as np

from artifacts.model.names import WEIGHTS
from core.backends.registry import find
from core.errors import TrainingError

log = logging.getLogger(__name__)


def save_weights(model: keras.Model, saved_model: Path) -> None:
    """Write the weights for a later warm start."""
    path = saved_model / WEIGHTS
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, **{weight.path: weight.numpy() for weight in model.weights})


def restore_weights(model: keras.Model, saved_model: Path) -> None:
    """Set all weights to those in a SavedModel; TrainingError when they are of another model."""
    path = saved_model / WEIGHTS
    if not path.is_file():
        raise TrainingError(
            f"{path}: wanted the weights of a model that build_model made, got none; the model of a run_fn is not "
            "trained further"
        )
    with np.load(path, allow_pickle=False) as file:
        saved = dict(file)
    shapes = {weight.path: tuple(weight.shape) for weight in model.weights}
    if other := {name: value.shape for name, value in saved.items() if shapes.get(name) != value.shape}:
        raise TrainingError(
            f"{path}: wanted the weights that build_model makes with these hyperparameters, got another "
            f"{', '.join(sorted(other))}; train the model again with the same module and hyperparameters"
        )
    if lacking := sorted(set(shapes) - set(saved)):
        raise TrainingError(f"{path}: wanted the weights {', '.join(lacking)}, got none; train the model again")
    for weight in model.weights:
        weight.assign(saved[weight.path])


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
