"""The transformed rows of one problem, read once per split and shared by all models that take the same features."""

import copy
import tempfile
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import pyarrow_hotfix  # noqa: F401
import pyarrow as pa
import tensorflow_transform as tft
from tensorflow_metadata.proto.v0 import schema_pb2

from adapters.tft import layer as tft_layer
from artifacts.labels.soft_rows import Portion
from core.object_stores.locations import Location
from training.labels import Classes, Observed, made_by_training
from training.rows import Recipe, Rows
from training.settings import TrainingSettings


class RowStore:
    """Rows in memory, and on disk beyond `settings.memory_mib`."""

    def __init__(
        self,
        settings: TrainingSettings,
        schema: schema_pb2.Schema,
        transform: tft.TFTransformOutput,
        examples: Location,
        folder: Path,
    ) -> None:
        self._settings = settings
        self._schema = schema
        self._transform = transform
        self._examples = examples
        self._folder = folder
        self._features: tuple[str, ...] = ()
        self._rows: dict[Portion, Rows] = {}
        self._altered: Callable[[pa.RecordBatch], pa.RecordBatch] | None = None

    def altered(self, change: Callable[[pa.RecordBatch], pa.RecordBatch]) -> Self:
        """Return a store of the same rows, each changed before it is transformed."""
        found = copy.copy(self)
        found.__dict__.pop("observed", None)
        found._rows, found._features, found._altered = {}, (), change
        found._folder = Path(tempfile.mkdtemp(prefix="altered-", dir=self._folder))
        return found

    @cached_property
    def classes(self) -> Classes | None:
        """The classes that training assigns to a label which the module leaves alone; None otherwise."""
        spec = self._transform.transformed_feature_spec()
        return made_by_training(self._settings, self._schema, self._examples, spec)

    @cached_property
    def observed(self) -> Observed:
        """What was found out about the label in the rows that were read."""
        return Observed(self._settings, self.classes)

    @cached_property
    def layer(self) -> Any:
        """tf.Transform's layer: raw features to transformed ones."""
        return tft_layer.Layer(self._transform)

    def rows(self, features: tuple[str, ...], portion: Portion) -> Rows:
        """Return rows with these transformed features; those that were read with other features are forgotten."""
        if features != self._features:
            self._rows, self._features = {}, features
        if portion not in self._rows:
            settings = self._settings
            number = self.observed.number
            recipe = Recipe(self._schema, self.layer, settings.label, features, number, settings.weight, self._altered)
            blocks = recipe.columns(self._examples, portion, settings.read_rows)
            # What is read first gets the memory: the training rows.
            free = (settings.memory_mib << 20) - sum(one.held_bytes for one in self._rows.values())
            place = self._folder / f"{portion.split}-{len(self._rows)}"
            self._rows[portion] = Rows(blocks, settings.label, place, max(free, 0))
        return self._rows[portion]
