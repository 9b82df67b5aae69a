"""What all trials of a tuning have in common: settings, sources, and the spans to train and to compare on."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from artifacts.examples.manifest import ExamplesManifest
from artifacts.examples.names import TRAIN, VALIDATION
from core import digest, user_code
from core.errors import ConfigError, DataError, TrainingError
from problems import kind
from training.hyperparameters.asked_for import check_read
from training.hyperparameters.hypermodel import declared_space, declares_its_space
from training.session import Session, Sources
from training.settings import TrainingSettings
from training.trials.trial import Outcome, Scores, Trial

GIVEN = frozenset({"train_steps", "classes"})
"""Hyperparameters that every training is given."""


@dataclass(frozen=True)
class Problem:
    """What trials have in common."""

    settings: TrainingSettings
    sources: Sources
    spans: tuple[int, ...]
    """The spans that they are trained on."""
    held_back: int
    """The span that they are compared on."""

    @classmethod
    def of(cls, settings: TrainingSettings, sources: Sources) -> "Problem":
        """Hold back the last training span; DataError when there is no span before it."""
        manifest = ExamplesManifest.read(sources.examples)
        spans = sorted({shard.span for shard in manifest.shards if shard.split == TRAIN})
        if len(spans) < 2:
            raise DataError(
                f"tune_model: wanted two spans to train on, of which the last is held back to compare trials, got "
                f"{', '.join(f'span {span} alone' for span in spans) or 'none'}; raise ingest_examples.window, or "
                "leave tune_model out: a random split would choose what does not hold later"
            )
        return cls(settings, sources, tuple(spans[:-1]), spans[-1])

    @property
    def context(self) -> str:
        """The digest of everything that an outcome depends on beside its trial."""
        manifest = ExamplesManifest.read(self.sources.examples)
        content = [
            self.settings.model_dump_json(),
            self.sources.module,
            self.sources.schema,
            [shard.sha256 for shard in manifest.shards],
            self.spans,
            self.held_back,
        ]
        return digest.of_bytes(json.dumps(content).encode())


class Asks(NamedTuple):
    """What the module's `build_model` asks for."""

    names: frozenset[str]
    """Hyperparameters that it reads, as far as that can be seen."""
    declared: dict[str, Any] | None
    """The space that a `build_model(hp)` declares; None for one that takes plain hyperparameters."""


class HeldBack(NamedTuple):
    """Labels and weights of the span that trials are compared on, [rows]."""

    labels: Scores
    weights: Scores | None


def asks(session: Session, names: Sequence[str]) -> Asks:
    """Build the module's model once, and return what it asks for; `names` are those of the space."""
    build: Any = user_code.function(session.module, "build_model")
    if declares_its_space(build):
        if names:
            return Asks(frozenset(), {})  # refused, whatever it declares
        return Asks(frozenset(names), declared_space(build, session.hyperparameters))
    asked: list[Any] = []

    def watched(transform: Any, given: Any) -> Any:
        asked.append(given)
        return build(transform, given)

    session.build(watched)
    return Asks(frozenset(asked[-1].names), None)


def check_names(names: Sequence[str], found: Asks, settings: TrainingSettings) -> None:
    """Raise ConfigError for a space that the module declares itself, or a name that `build_model` does not read."""
    if found.declared is not None:
        raise ConfigError(
            "tune_model.space: build_model(hp) in module.py declares the space itself; remove "
            f"{', '.join(names)} here, or write build_model(transform_output, hyperparameters)"
        )
    check_read(names, known_names(found, settings), "tune_model.space: build_model")


def known_names(found: Asks, settings: TrainingSettings) -> frozenset[str]:
    """Return the names that a space of plain hyperparameters may have."""
    return (found.names - GIVEN) | (found.names & settings.hyperparameters.keys())


def held_back(session: Session, problem: Problem) -> HeldBack:
    """Return the labels that the scores of trials belong to."""
    found = [rows.labels_and_weights() for rows in _rows(session, session.build(), problem)]
    weights = [weight for _, weight in found if weight is not None]
    return HeldBack(
        np.concatenate([labels for labels, _ in found]), np.concatenate(weights) if len(weights) == len(found) else None
    )


def run(session: Session, problem: Problem, trial: Trial) -> Outcome:
    """Train, and compare on the held-back span; a training that fails is an outcome."""
    variant = session.variant(epochs=trial.epochs, seed=trial.seed, hyperparameters=trial.hyperparameters)
    try:
        model = variant.build()
        fitted = variant.fit(model)
    except TrainingError as error:
        return Outcome(None, failure=str(error))
    found = [variant.predictions(model, rows) for rows in _rows(variant, model, problem)]
    labels = np.concatenate([one.labels for one in found])
    scores = np.concatenate([one.scores for one in found])
    weights = [one.weights for one in found if one.weights is not None]
    skill = kind(problem.settings.task).skill(labels, scores, np.concatenate(weights) if weights else None)
    if not np.isfinite(skill):
        return Outcome(None, failure=f"the skill on span {problem.held_back} is {skill}")
    return Outcome(float(skill), len(fitted.history["loss"]), scores=scores if trial.keeps_scores else None)


def _rows(session: Session, model: Any, problem: Problem) -> list[Any]:
    return [session.rows(model, split, (problem.held_back,)) for split in (TRAIN, VALIDATION)]
