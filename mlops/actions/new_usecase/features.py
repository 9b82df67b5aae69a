"""The features that the first module transforms, taken from the proposed schema."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tensorflow_metadata.proto.v0.schema_pb2 import Schema


@dataclass(frozen=True)
class Features:
    """Names of features by how the first module treats them."""

    numbers: tuple[str, ...]
    categories: tuple[str, ...]
    texts: tuple[str, ...]
    slices: tuple[str, ...]
    """Categories with few values, by which the evaluation slices."""

    @property
    def total(self) -> int:
        """Number of features."""
        return len(self.numbers) + len(self.categories) + len(self.texts)


MOST_SLICES, MOST_VALUES = 2, 10


def features_of(schema: "Schema", label: str) -> Features:
    """Return a schema's features, without the label and those that are disabled or derived for validation only."""
    from tensorflow_metadata.proto.v0 import schema_pb2  # noqa: PLC0415

    domains = {domain.name: list(domain.value) for domain in schema.string_domain}
    unused = (schema_pb2.DISABLED, schema_pb2.VALIDATION_DERIVED)
    used = [one for one in schema.feature if one.name != label and one.lifecycle_stage not in unused]
    texts = tuple(one.name for one in used if one.HasField("natural_language_domain"))
    numbers = tuple(one.name for one in used if one.type in (schema_pb2.INT, schema_pb2.FLOAT))
    others = [one for one in used if one.type == schema_pb2.BYTES and one.name not in texts]
    categories = tuple(one.name for one in others if not one.HasField("image_domain"))
    slices = [one.name for one in others if 1 < len(domains.get(one.domain, [])) <= MOST_VALUES]
    return Features(numbers, categories, texts, tuple(slices[:MOST_SLICES]))
