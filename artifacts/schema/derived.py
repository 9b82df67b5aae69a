"""Features that are derived from texts and images, so that their drift can be measured.

Nearly every text and every image is different, so comparing the shares of their values detects nothing. Instead,
derived features are compared, which the schema declares in TensorFlow Metadata's way, for validation only:

    feature {
      name: "message/word_count"
      type: INT
      lifecycle_stage: VALIDATION_DERIVED
      validation_derived_source { deriver_name: "word_count" source_path { step: "message" } }
      drift_comparator { jensen_shannon_divergence { threshold: 0.1 } }
    }

TFX's own tools leave such features out of what a model reads.
"""

from collections.abc import Iterable
from typing import NamedTuple

from tensorflow_metadata.proto.v0 import schema_pb2

CHARACTERS, WORD_COUNT, WORDS, UNSEEN_WORDS = "characters", "word_count", "words", "unseen_words"
BYTES, WIDTH, HEIGHT, BRIGHTNESS = "bytes", "width", "height", "brightness"

OF_TEXT = {
    CHARACTERS: schema_pb2.INT,
    WORD_COUNT: schema_pb2.INT,
    WORDS: schema_pb2.BYTES,
    UNSEEN_WORDS: schema_pb2.FLOAT,
}
"""Derived from a feature with `natural_language_domain {}`: its lengths, its words, and the share of words that the
baseline does not have; the last one depends on two datasets, and its threshold is an infinity_norm."""
OF_IMAGE = {
    BYTES: schema_pb2.INT,
    WIDTH: schema_pb2.INT,
    HEIGHT: schema_pb2.INT,
    BRIGHTNESS: schema_pb2.FLOAT,
}
"""Derived from a feature with `image_domain {}`: its size, and the mean of its pixels from 0 (black) to 1 (white)."""

_KINDS = {"natural_language_domain": OF_TEXT, "image_domain": OF_IMAGE}


class Derived(NamedTuple):
    """The source feature and the deriver of a derived feature."""

    source: str
    deriver: str


def name_of(source: str, deriver: str) -> str:
    """Return the name of a derived feature."""
    return f"{source}/{deriver}"


def is_derived(feature: schema_pb2.Feature) -> bool:
    """Whether a feature is derived for validation, and not part of the examples."""
    return bool(feature.lifecycle_stage == schema_pb2.VALIDATION_DERIVED)


def derived_from(feature: schema_pb2.Feature) -> Derived:
    """Return the source and the deriver of a derived feature; empty strings when they are not declared."""
    origin = feature.validation_derived_source
    steps = [".".join(path.step) for path in origin.source_path]
    return Derived(steps[0] if len(steps) == 1 else "", origin.deriver_name)


def derivers(feature: schema_pb2.Feature) -> dict[str, int]:
    """Return deriver -> type for a text or image feature; empty for any other feature."""
    return _KINDS.get(feature.WhichOneof("domain_info") or "", {})


def texts(schema: schema_pb2.Schema) -> list[str]:
    """Return the names of the text features."""
    return [feature.name for feature in schema.feature if derivers(feature) is OF_TEXT]


def images(schema: schema_pb2.Schema) -> list[str]:
    """Return the names of the image features."""
    return [feature.name for feature in schema.feature if derivers(feature) is OF_IMAGE]


def compared(features: Iterable[schema_pb2.Feature], source: str, comparator: str) -> list[str]:
    """Return the names of the features derived from `source` that have a `drift_comparator` or `skew_comparator`."""
    return [
        feature.name
        for feature in features
        if is_derived(feature) and derived_from(feature).source == source and feature.HasField(comparator)
    ]


def without_derived(schema: schema_pb2.Schema) -> schema_pb2.Schema:
    """Return the schema without derived features, which examples do not have."""
    if not any(is_derived(feature) for feature in schema.feature):
        return schema
    stripped = schema_pb2.Schema()
    stripped.CopyFrom(schema)
    del stripped.feature[:]
    stripped.feature.extend(feature for feature in schema.feature if not is_derived(feature))
    return stripped
