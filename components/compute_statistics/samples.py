"""Draws thumbnails of a few images of each split."""

import html
from itertools import product

from tensorflow_metadata.proto.v0 import schema_pb2

from artifacts.examples.batches import record_batches
from artifacts.examples.manifest import ExamplesManifest
from artifacts.examples.names import EVAL, TRAIN
from artifacts.schema import derived
from components.compute_statistics.images import thumbnail
from core import pictures
from core.object_stores.locations import Location
from core.pictures import Markup

_SHOWN = 16


def draw_samples(folder: Location, manifest: ExamplesManifest, schema: schema_pb2.Schema) -> Markup:
    """Draw the first images of the train and eval splits; empty without image features."""
    names = derived.images(schema)
    if not names:
        return Markup("")
    rows = []
    splits = [split for split in (TRAIN, EVAL) if split in manifest.splits()]
    for name, split in product(names, splits):
        rows.append([name, split, Markup(" ".join(_tags(folder, split, name)) or "none could be decoded")])
    return pictures.fragment("Images", pictures.table(["feature", "split", "first images"], rows))


def _tags(folder: Location, split: str, name: str) -> list[str]:
    batch = next(record_batches(folder, split, None, _SHOWN), None)
    if batch is None or name not in batch.schema.names:
        return []
    values = batch.column(batch.schema.get_field_index(name)).flatten().to_pylist()[:_SHOWN]
    thumbnails = (thumbnail(value) for value in values if isinstance(value, bytes))
    style = "height:32px;image-rendering:pixelated"
    return [f'<img alt="{html.escape(name)}" style="{style}" src="{source}">' for source in thumbnails if source]
