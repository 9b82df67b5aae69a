"""One problem that is opened once, for any number of models: build, fit, ask and export them."""

import copy
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow_hotfix  # noqa: F401
import keras
import numpy as np
import pyarrow as pa
import tensorflow as tf
import tensorflow_transform as tft

from artifacts.examples.names import TRAIN, VALIDATION
from artifacts.explanations.background import draw_background
from artifacts.labels.soft_rows import Portion, training_rows
from artifacts.model.features import Features
from artifacts.model.label import write as write_label
from artifacts.model.names import SERVING
from artifacts.schema.reference import read_referenced
from core import user_code
from core.errors import TrainingError
from core.object_stores import locations
from core.object_stores.locations import Location
from core.user_config import as_written
from problems import kind
from problems.labels import TrainedLabel
from training import callbacks, export, fitting
from training.answers import answer, check_inverse, output_width, save_label_graph, trained_name
from training.class_weights import weigh_classes
from training.fitting import Fitted, Splits
from training.hooks import Hooks
from training.hyperparameters.asked_for import AskedFor, check_typing_errors
from training.hyperparameters.hypermodel import built, declares_its_space
from training.labels import Classes
from training.meanwhile import meanwhile
from training.predictions import Predictions, answering
from training.raw_features import raw_features
from training.row_store import RowStore
from training.rows import Rows
from training.served_rows import write_served
from training.settings import TrainingSettings
from training.warm_start import save_weights

BuildModel = Callable[[tft.TFTransformOutput, dict[str, Any]], keras.Model]
"""A module's `build_model(transform_output, hyperparameters)`, or a family's."""


class Sources(NamedTuple):
    """References of module and schema, and folders."""

    module: str
    schema: str
    examples: Path | str
    transform_graph: Path | str


class Exporting(NamedTuple):
    """An export that is prepared, and the label that is written with it."""

    label: TrainedLabel
    export: export.Export


@contextmanager
def opened(settings: TrainingSettings, sources: Sources, spans: tuple[int, ...] | None = None) -> "Iterator[Session]":
    """Open a problem; what is kept of its rows on disk is removed at the end.

    With `spans`, models are fitted to the rows of these spans alone, and `Session.rows` reads the others.
    """
    with tempfile.TemporaryDirectory(prefix="rows-") as folder:
        yield Session(settings, sources, Path(folder), spans)


class Session:
    """Module, schema, transform and rows of one problem.

    Equal settings give bit-identical models, whatever was built or fitted before.
    """

    def __init__(
        self, settings: TrainingSettings, sources: Sources, folder: Path, spans: tuple[int, ...] | None = None
    ) -> None:
        """Read module, schema and transform; the rows are read when the first model is fitted."""
        self.settings = settings
        self.sources = sources
        self.spans = spans
        self.schema = read_referenced(sources.schema)
        self.raw_features = raw_features(self.schema, settings.label, settings.weight)
        self.module = user_code.load(sources.module)
        self.transform = tft.TFTransformOutput(str(sources.transform_graph))
        self._store = RowStore(settings, self.schema, self.transform, self.examples, folder)

    @property
    def classes(self) -> Classes | None:
        """The classes that training assigns to a label which the module leaves alone; None otherwise."""
        return self._store.classes

    def variant(self, **changes: Any) -> "Session":
        """Return this session with other hyperparameters, epochs, batch size, stopping or seed; rows are shared.

        `hyperparameters` are set in place of those with the same names.
        """
        given = {**self.settings.hyperparameters, **changes.pop("hyperparameters", {})}
        found = copy.copy(self)
        found.settings = self.settings.model_copy(update={**changes, "hyperparameters": given})
        return found

    def altered(self, change: Callable[[pa.RecordBatch], pa.RecordBatch]) -> "Session":
        """Return this session over rows that are changed before they are transformed."""
        found = copy.copy(self)
        found._store = self._store.altered(change)
        return found

    @property
    def layer(self) -> Any:
        """tf.Transform's layer: raw features to transformed ones."""
        return self._store.layer

    @property
    def examples(self) -> Location:
        """Where the examples are."""
        return locations.located(self.sources.examples)

    @property
    def vocabularies(self) -> Path:
        """The folder of the transform's vocabularies."""
        return Path(self.transform.transform_savedmodel_dir) / "assets"

    @property
    def hyperparameters(self) -> dict[str, Any]:
        """Those of the settings, and what follows from the rows: `train_steps` and, where they are known, `classes`."""
        rows = training_rows(self.examples, Portion(TRAIN, self.spans))
        steps = -(-rows // self.settings.batch_size) * self.settings.epochs
        known = {"train_steps": steps} | ({} if self.classes is None else {"classes": list(self.classes.names)})
        return known | self.settings.hyperparameters

    def build(self, build_model: BuildModel | None = None) -> keras.Model:
        """Build and compile a model, after seeding everything.

        `build_model` is the module's unless another is given; it may be KerasTuner's `build_model(hp)`. Raises
        TrainingError for what is no compiled Keras model, for one with its own `fit` and for a hyperparameter that the
        function cannot use, ConfigError for one that is probably misspelt.
        """
        return self.build_in(nullcontext(), build_model)

    def build_in(self, scope: AbstractContextManager[Any], build_model: BuildModel | None) -> keras.Model:
        """Build a model as `build` does, in a scope; that is entered after Keras has forgotten earlier ones."""
        build: Any = build_model or user_code.function(self.module, "build_model")
        fitting.seed_everything(self.settings)
        given = AskedFor(as_written(self.hyperparameters) if declares_its_space(build) else self.hyperparameters)
        with scope:
            model = built(build, self.module, self.transform, given)
        if build_model is None:
            check_typing_errors(self.settings.hyperparameters, given.names - {"train_steps", "classes"})
        if isinstance(model, keras.Model) and getattr(model, "optimizer", None) is not None:
            fitting.check_steps(model)
            return model
        further = "; callbacks come from a function callbacks(hyperparameters)" if isinstance(model, tuple) else ""
        raise TrainingError(
            f"build_model: wanted a compiled keras.Model, got {type(model).__name__}; compile it with optimizer and "
            f"loss before returning it{further}"
        )

    def rows(self, model: keras.Model, split: str, spans: tuple[int, ...] | None = None) -> Rows:
        """Return the rows of a split, or of some of its spans, with the features that a model takes."""
        names = self.transform.transformed_feature_spec()
        features = export.input_names(model) or (name for name in names if name != self.settings.label)
        return self.read(tuple(features), Portion(split, spans))

    def read(self, features: tuple[str, ...], portion: Portion) -> Rows:
        """Return the rows of a portion with some transformed features; they are read once."""
        return self._store.rows(features, portion)

    def splits(self, model: keras.Model) -> Splits:
        """Return the rows of both splits for a model, with the weights of classes.

        Raises TrainingError for no rows, or labels that the model cannot be trained on.
        """
        splits = Splits(self.rows(model, TRAIN, self.spans), self.rows(model, VALIDATION, self.spans))
        width = output_width(model, splits.training)
        for name, rows in zip((TRAIN, VALIDATION), splits, strict=True):
            fitting.check_labels(rows, name, self.settings.task, width)
        weigh_classes(self.settings, self.label(model), splits)
        return splits

    def label(self, model: keras.Model) -> TrainedLabel:
        """Return the label that a model is trained on; its rows must have been read."""
        in_raw_unit = check_inverse(self.module, self._store.observed, self.settings, self.transform)
        width = output_width(model, self.rows(model, TRAIN, self.spans))
        label = self._store.observed.result(width, in_raw_unit=in_raw_unit)
        return replace(label, output=self.settings.model_output)

    def fit(
        self,
        model: keras.Model,
        checkpoint: Path | None = None,
        hooks: Sequence[Hooks] = (),
        exporting: "Exporting | None" = None,
    ) -> Fitted:
        """Fit a model to the rows of both splits, with the module's callbacks; errors as `splits` and `fitting.fit`.

        The export is prepared while the epochs run, unless Python takes part in them.
        """
        splits = self.splits(model)
        users = callbacks.hooks_of(self.module, self.hyperparameters, self.settings.epochs)
        loop = fitting.Loop(model, splits, self.settings, (*hooks, *users))
        if exporting is None or loop.hooks or model.run_eagerly:
            return fitting.follow(loop, checkpoint)
        with meanwhile(exporting.export.prepare) as loop.when_traced:
            return fitting.follow(loop, checkpoint)

    def predictions(self, model: keras.Model, rows: Rows) -> Predictions:
        """Return the scores of rows, and their labels, as the evaluation of the exported model would see them.

        The labels of a regression are those that it is trained on.
        """
        return self.predictor(model)(rows)

    def predictor(self, model: keras.Model) -> Callable[[Rows], Predictions]:
        """Return what `predictions` does for a model that is asked many times; its answer is traced once."""
        label, problem = self.label(model), kind(self.settings.task)
        how = answer(self.module, model, label, self.transform)
        finish = how.finish if problem.has_classes else tf.identity
        declared = "probabilities" if finish is not tf.identity else self.settings.model_output
        answers = answering(model, self.rows(model, TRAIN, self.spans).example(), finish)

        def predict(rows: Rows) -> Predictions:
            scores = problem.scores(problem.shaped(answers(rows), "the model"), declared).values
            labels, weights = rows.labels_and_weights()
            return Predictions(labels, np.asarray(scores, np.float64), weights)

        return predict

    def exporting(self, model: keras.Model) -> "Exporting | None":
        """Prepare the export of a model that is not trained yet; errors as `splits` and `export`."""
        return self._exporting(model)

    def _exporting(self, model: keras.Model) -> "Exporting":
        self.splits(model)  # first of all what is wrong with the rows
        label = self.label(model)
        how = answer(self.module, model, label, self.transform)
        if self.settings.explain_pairs is not None:
            features = Features(tuple(one.feature for one in self.raw_features))
            rows = draw_background(self.sources.examples, self.schema, features)
            how = how._replace(background=export.Background(rows, self.settings.explain_pairs))
        if how.finish is not tf.identity:
            label = replace(label, output="probabilities")
        return Exporting(label, export.Export(model, self.layer, self.raw_features, how))

    def export(self, model: keras.Model, folder: Path, exporting: "Exporting | None" = None) -> TrainedLabel:
        """Write a model's SavedModel with its weights, label, features and warm-up rows below `folder`.

        `training.Record` writes how it was trained. Returns the label as it was written.
        """
        label, made = exporting or self._exporting(model)
        made.write(folder / SERVING)
        save_weights(model, folder / SERVING)
        self.describe(label, folder)
        return label

    def describe(self, label: TrainedLabel, folder: Path, named: str = "") -> None:
        """Write beside a SavedModel what it was trained on: label, raw features and warm-up rows.

        `named` is the transformed feature that is the label, where it is not found by its name.
        """
        if label.source == "transformed":
            save_label_graph(self.transform, trained_name(self.settings.label, self.transform, named), folder)
        write_label(folder / SERVING, label)
        features = Features(tuple(one.feature for one in self.raw_features), label.name, label.task, label.classes)
        write_served(folder / SERVING, features, self.sources.examples, self.schema)
