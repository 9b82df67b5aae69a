"""Trains contenders on the same rows, and scores them on the rows of the newest span, which none of them has seen."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial, wraps
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import keras
import numpy as np

from artifacts.examples.manifest import ExamplesManifest
from artifacts.examples.names import TRAIN
from artifacts.labels.soft_rows import Portion, training_rows
from artifacts.matrix.usable_features import UsableFeatures
from core.errors import DataError, TrainingError
from problems import kind
from training import callbacks
from training.families import nets, trees
from training.families.contender import TREES, Contender
from training.families.model_inputs import ModelInputs, Width, observe, usable
from training.fitting import Fitted, Splits
from training.hyperparameters.asked_for import AskedFor, check_read
from training.predictions import Predictions
from training.record import OF_TRAIN_MODEL
from training.session import Session

Prepare = Callable[[keras.Model, Splits], None]
"""Changes a built model, or the targets and weights of its rows, before it is fitted."""


class Trained(NamedTuple):
    """A trained contender."""

    model: keras.Model
    fitted: Fitted
    parameters: int
    """Numbers that it consists of."""
    seconds: float


def training_spans(examples: Path | str, stage: str) -> tuple[int, ...]:
    """Return the spans of the train split, oldest first; DataError for fewer than two, of which none can be held out.

    A random part of the same spans would make the contender win that knows them best, and not the one that knows the
    next span best.
    """
    found = tuple(sorted({shard.span for shard in ExamplesManifest.read(examples).of_split(TRAIN)}))
    if len(found) < 2:
        raise DataError(
            f"{stage}: wanted two spans to train on, the newest to compare models on and one before it, got "
            f"{len(found)}: {', '.join(map(str, found)) or 'none'}; raise ingest_examples.window, or leave {stage} out"
        )
    return found


class Contest:
    """One session and the span that it holds out; None where it trains on every span."""

    def __init__(self, session: Session, held_out: int | None = None) -> None:
        self.session = session
        self.settings = session.settings
        self.held_out_span = held_out

    @property
    def trained_rows(self) -> int:
        """Rows that contenders are fitted to."""
        return training_rows(self.session.examples, Portion(TRAIN, self.session.spans))

    @cached_property
    def inputs(self) -> ModelInputs:
        """What families can use of the transformed features."""
        spec = self.session.transform.transformed_feature_spec()
        widths = {name: _width(one) for name, one in spec.items() if name != self.settings.label}
        reasons = usable(widths)
        dense = {name: widths[name] for name in widths if not reasons[name]}
        if not dense:
            return ModelInputs(left_out=reasons)
        rows = self.session.rows(_reader(dense), TRAIN, self.session.spans)
        found = observe(dense, rows.blocks(), has_pictures=self._has_pictures())
        return replace(found, left_out={**found.left_out, **{name: why for name, why in reasons.items() if why}})

    def _has_pictures(self) -> bool:
        schema = self.session.schema
        batch = next(Portion(TRAIN, self.session.spans).batches(self.session.examples, schema, 256))
        return bool(UsableFeatures.of(batch, schema, {self.settings.label}).pictures)

    @cached_property
    def width(self) -> int:
        """Number of outputs: a class each; 1 for two classes and for a number."""
        problem = kind(self.settings.task)
        if not problem.has_classes or problem.gives_one_score:
            return 1
        if self.session.classes is not None:
            return len(self.session.classes.names)
        reader = _reader({name: _width_of(self.inputs, name) for name in self.inputs.names})
        spans = (
            (self.session.spans, None) if self.held_out_span is None else (self.session.spans, (self.held_out_span,))
        )
        labels = [max(self.session.rows(reader, TRAIN, one).labels, default=0.0) for one in spans]
        return int(max(labels)) + 1

    def build(self, one: Contender, seed: int = 0) -> keras.Model:
        """Build a contender's model, but for trees, which are known when they are trained.

        Raises TrainingError for a function of the module that returns anything but a compiled Keras model, which
        alone is exported as a SavedModel.
        """
        if one.is_of_module:
            session = self._session(seed, one.hyperparameters)
            return session.build(_checked(one, session.module))
        family, given = ("linear", {}) if one.family == TREES else (one.family, one.hyperparameters)
        return self._session(seed).build(partial(self._net, family, given))

    def _net(self, family: str, given: Mapping[str, Any], _: Any, known: Mapping[str, Any]) -> keras.Model:
        target = nets.Target(self.settings.task, self.width, int(known["train_steps"]))
        return nets.build(family, self.inputs, target, given)

    def train(self, one: Contender, seed: int = 0, prepare: Prepare | None = None) -> Trained:
        """Build and fit a contender; the same seed gives the same model."""
        began = time.perf_counter()
        model = self.build(one, seed)
        session = self._session(seed, one.hyperparameters if one.is_of_module else {})
        splits = session.splits(model)
        if prepare is not None:
            prepare(model, splits)
        if one.family == TREES:
            grown = trees.grow(self.inputs, self.settings.task, splits, one.hyperparameters, session.settings.seed)
            model, fitted, parameters = grown.model, Fitted(grown.history, grown.best), grown.values
        else:
            fitted, parameters = session.fit(model), int(model.count_params())
        return Trained(model, fitted, parameters, time.perf_counter() - began)

    def facts(self, one: Contender) -> dict[str, Any]:
        """Return what builds a contender's model again, for its record."""
        own = self.settings.hyperparameters
        given = own | dict(one.hyperparameters) if one.is_of_module else dict(one.hyperparameters)
        return {"family": one.family, "hyperparameters": given, OF_TRAIN_MODEL: own}

    def held_out(self, model: keras.Model) -> Predictions:
        """Score the rows of the held-out span."""
        assert self.held_out_span is not None
        return self.session.predictions(model, self.session.rows(model, TRAIN, (self.held_out_span,)))

    def _session(self, seed: int, hyperparameters: Mapping[str, Any] | None = None) -> Session:
        """Return the session with another seed, and with changed hyperparameters of the module's models."""
        changed = (self.settings.seed + seed) % (1 << 32)
        return self.session.variant(seed=changed, hyperparameters=dict(hyperparameters or {}))


def skill(predictions: Predictions, task: Any, where: str) -> float:
    """Return the skill of predictions; DataError where it is undefined, such as the AUC of one class."""
    problem = kind(task)
    found = float(problem.skill(predictions.labels, predictions.scores, predictions.weights))
    if not np.isfinite(found):
        raise DataError(
            f"{where}: the {problem.skill_name} of {len(predictions.labels)} rows is undefined; wanted different "
            "labels in the newest training span, or finite predictions; widen ingest_examples.window"
        )
    return found


def mean_scores(found: Sequence[Predictions]) -> Predictions:
    """Return the mean prediction of several models on the same rows."""
    return found[0]._replace(scores=np.mean([one.scores for one in found], axis=0))


def _checked(one: Contender, module: ModuleType) -> Callable[..., Any]:
    """Return a contender's function, which raises TrainingError where it returns anything but a Keras model.

    It raises ConfigError for a changed hyperparameter that neither it nor the module's `callbacks` reads.
    """
    build: Callable[..., Any] = getattr(module, one.family)

    @wraps(build)
    def built(*given: Any) -> Any:
        model = build(*given)
        read = given[-1].names if isinstance(given[-1], AskedFor) else {known.name for known in given[-1].space}
        if one.hyperparameters.keys() - read:
            check_read(one.hyperparameters, read | callbacks.read_names(module, one.hyperparameters), one.family)
        if not isinstance(model, keras.Model):
            raise TrainingError(
                f"family {one.family!r}: wanted a compiled keras.Model, which is exported as a SavedModel, got "
                f"{type(model).__name__}, which leaves none; the gates and the server could not load it"
            )
        return model

    return built


def _reader(widths: Mapping[str, Width]) -> keras.Model:
    """Return a model that does nothing but name its inputs."""
    inputs = {name: keras.Input((one.size or 1,), name=name, dtype=one.dtype) for name, one in widths.items()}
    return keras.Model(inputs, list(inputs.values()))


def _width_of(inputs: ModelInputs, name: str) -> Width:
    tensor = inputs.tensors()[name]
    return Width(str(tensor.dtype), int(tensor.shape[1]))


def _width(spec: Any) -> Width:
    """Return what a feature spec of tf.Transform says; no size for a sparse or ragged feature."""
    is_dense = type(spec).__name__ == "FixedLenFeature"
    return Width(spec.dtype.name, int(np.prod(spec.shape)) if is_dense else None)
