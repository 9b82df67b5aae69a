"""Numbers that are derived from texts and images, so that a change of those can be measured like any other.

Nearly every text and every image is different, so a comparison of their values' shares notices nothing. What is
compared instead is declared in the schema as TensorFlow Metadata has it, a feature that only validation knows:

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
"""Of a feature with `natural_language_domain {}`: its lengths, the words themselves, and the share of words that the
data compared with does not have; the last one is a number of two sets of data, bounded by an infinity_norm."""
OF_IMAGE = {
    BYTES: schema_pb2.INT,
    WIDTH: schema_pb2.INT,
    HEIGHT: schema_pb2.INT,
    BRIGHTNESS: schema_pb2.FLOAT,
}
"""Of a feature with `image_domain {}`: its size, and the mean of its pixels from 0 (black) to 1 (white)."""

_KINDS = {"natural_language_domain": OF_TEXT, "image_domain": OF_IMAGE}


class Derived(NamedTuple):
    """A declared number: the feature that it comes from, and how."""

    source: str
    deriver: str


def name_of(source: str, deriver: str) -> str:
    """Name of a number that is derived from a feature."""
    return f"{source}/{deriver}"


def is_derived(feature: schema_pb2.Feature) -> bool:
    """Tell whether a feature is no part of an example, but derived from one while data is validated."""
    return bool(feature.lifecycle_stage == schema_pb2.VALIDATION_DERIVED)


def derived_from(feature: schema_pb2.Feature) -> Derived:
    """Return what a derived feature says of its origin; empty where it says nothing."""
    origin = feature.validation_derived_source
    steps = [".".join(path.step) for path in origin.source_path]
    return Derived(steps[0] if len(steps) == 1 else "", origin.deriver_name)


def derivers(feature: schema_pb2.Feature) -> dict[str, int]:
    """Return what can be derived from a feature, with the types; empty for one that is neither text nor image."""
    return _KINDS.get(feature.WhichOneof("domain_info") or "", {})


def texts(schema: schema_pb2.Schema) -> list[str]:
    """Return the features that the schema calls text."""
    return [feature.name for feature in schema.feature if derivers(feature) is OF_TEXT]


def images(schema: schema_pb2.Schema) -> list[str]:
    """Return the features that the schema calls images."""
    return [feature.name for feature in schema.feature if derivers(feature) is OF_IMAGE]


def compared(features: Iterable[schema_pb2.Feature], source: str, comparator: str) -> list[str]:
    """Return the derived features of a source that have a comparator (`drift_comparator` or `skew_comparator`)."""
    return [
        feature.name
        for feature in features
        if is_derived(feature) and derived_from(feature).source == source and feature.HasField(comparator)
    ]


def without_derived(schema: schema_pb2.Schema) -> schema_pb2.Schema:
    """Return a schema of what examples hold, in the order it has."""
    if not any(is_derived(feature) for feature in schema.feature):
        return schema
    stripped = schema_pb2.Schema()
    stripped.CopyFrom(schema)
    del stripped.feature[:]
    stripped.feature.extend(feature for feature in schema.feature if not is_derived(feature))
    return stripped
