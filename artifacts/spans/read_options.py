"""The options of the readers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from artifacts.spans.feature_types import FeatureType
    from artifacts.spans.timestamps import Timestamp

NullsInLists = Literal["error", "leave_out"]


@dataclass(frozen=True)
class ReadOptions:
    """The options of all formats; each reader uses those of its format."""

    types: "Mapping[str, FeatureType]"
    """Types of the schema's features by name."""
    missing: frozenset[str] = frozenset({""})
    delimiter: str = ","
    leave_out: frozenset[str] = frozenset()
    timestamps: "Mapping[str, Timestamp]" = field(default_factory=dict)
    nulls_in_lists: NullsInLists = "error"
    max_record_bytes: int = 1 << 20
    batch_rows: int = 16_384
