"""Groups raw features by how a baseline can use them, from the schema and from the rows that it is fitted on."""

from collections.abc import Collection
from dataclasses import dataclass, field

import pyarrow_hotfix  # noqa: F401
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from tensorflow_metadata.proto.v0 import schema_pb2

CATEGORIES = 200
"""A feature with more different values is a text when its values have several words."""
LARGEST_VECTOR = 4096
"""Values per row of the longest vector that a baseline uses."""
_PICTURES = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"BM")


@dataclass(frozen=True)
class UsableFeatures:
    """The features of a sample by their kind."""

    numeric: tuple[str, ...] = ()
    categorical: tuple[str, ...] = ()
    vectors: tuple[str, ...] = ()
    """Lists of the same number of values in every row."""
    texts: tuple[str, ...] = ()
    """Texts of several words, and lists of words."""
    pictures: tuple[str, ...] = ()
    """Encoded images."""
    left_out: dict[str, str] = field(default_factory=dict)
    """Features that no baseline can use, with the reason."""

    @classmethod
    def of(cls, batch: pa.RecordBatch, schema: schema_pb2.Schema, excluded: Collection[str]) -> "UsableFeatures":
        """Group the features of some rows; `excluded` are columns that are no features, such as the label."""
        groups: dict[str, list[str]] = {"numeric": [], "categorical": [], "vectors": [], "texts": [], "pictures": []}
        left_out = {}
        for feature in schema.feature:
            is_column = batch.schema.get_field_index(feature.name) >= 0
            if feature.name in excluded or not is_column or feature.lifecycle_stage == schema_pb2.DISABLED:
                continue
            group = _group(batch.column(batch.schema.get_field_index(feature.name)), feature)
            if group in groups:
                groups[group].append(feature.name)
            else:
                left_out[feature.name] = group
        return cls(**{group: tuple(names) for group, names in groups.items()}, left_out=left_out)

    @property
    def single(self) -> tuple[str, ...]:
        """Features with at most one number or category a row."""
        return (*self.numeric, *self.categorical)


def _group(column: pa.Array, feature: schema_pb2.Feature) -> str:
    """Return the name of a feature's group, or the reason why no baseline can use it."""
    lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False)
    is_list = bool(lengths.size) and int(lengths.max()) > 1
    if feature.type != schema_pb2.BYTES:
        if not is_list:
            return "categorical" if feature.type == schema_pb2.INT and feature.int_domain.is_categorical else "numeric"
        if len(set(lengths.tolist())) > 1:
            return f"lists of {lengths.min()} to {lengths.max()} numbers"
        if lengths[0] > LARGEST_VECTOR:
            return f"{lengths[0]} numbers a row are more than {LARGEST_VECTOR}"
        return "vectors"
    return _group_of_bytes(column, is_list=is_list)


def _group_of_bytes(column: pa.Array, *, is_list: bool) -> str:
    some = [value for value in column.flatten()[:1000].to_pylist() if value]
    if some and all(value.startswith(_PICTURES) for value in some):
        return "lists of images" if is_list else "pictures"
    if any(_is_binary(value) for value in some):
        return "bytes that are neither text nor an image"
    words = np.mean([len(value.split()) for value in some]) if some else 0
    has_words = words >= 2 and len(pc.unique(column.flatten())) > CATEGORIES
    return "texts" if is_list or has_words else "categorical"


def _is_binary(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return True
    return False
