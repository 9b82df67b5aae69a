"""What boxes and kinds say of how two things relate, as labeling functions; each is right more often than chance."""

from collections.abc import Callable
from typing import Any

import pyarrow_hotfix  # noqa: F401
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from problems.labeling import functions as lf

HAS, ON, BESIDE = "has", "on", "beside"
LOOPS = ("0", "6", "8", "9")
Numbers = NDArray[np.float64]


class Pair:
    """The boxes of a batch, each side [rows]."""

    def __init__(self, batch: pa.RecordBatch) -> None:
        def side(name: str) -> Numbers:
            return np.asarray(batch.column(batch.schema.get_field_index(name)), np.float64)

        self.left, self.top, self.width, self.height = (side(f"subject_{one}") for one in "xywh")
        self.other_left, self.other_top, self.other_width, self.other_height = (side(f"object_{one}") for one in "xywh")
        self.right, self.bottom = self.left + self.width, self.top + self.height
        self.other_right, self.other_bottom = self.other_left + self.other_width, self.other_top + self.other_height

    @property
    def across(self) -> Numbers:
        """Width that both have in common; negative for a gap."""
        return np.asarray(np.minimum(self.right, self.other_right) - np.maximum(self.left, self.other_left))

    @property
    def down(self) -> Numbers:
        """Height that both have in common; negative for a gap."""
        return np.asarray(np.minimum(self.bottom, self.other_bottom) - np.maximum(self.top, self.other_top))

    @property
    def share(self) -> Numbers:
        """Share of the object's box that lies in the subject's."""
        common = np.maximum(self.across, 0) * np.maximum(self.down, 0)
        return np.asarray(common / np.maximum(self.other_width * self.other_height, 1))

    @property
    def lower_by(self) -> Numbers:
        """How much lower the object's center is, in heights of the higher of the two."""
        centers = (self.other_top + self.other_bottom - self.top - self.bottom) / 2
        return np.asarray(centers / np.maximum(np.maximum(self.height, self.other_height), 1))


def _spatial(label: str, name: str, condition: Callable[[Pair], NDArray[np.bool_]]) -> lf.BatchFunction:
    def function(batch: pa.RecordBatch) -> pa.Array:
        return pa.array(condition(Pair(batch)))

    return lf.BatchFunction(name, function, label)


labeling_functions: list[Any] = [
    _spatial(HAS, "object_inside", lambda pair: pair.share > 0.8),
    _spatial(HAS, "object_small", lambda pair: pair.other_width * pair.other_height < 0.2 * pair.width * pair.height),
    lf.lookup("subject", dict.fromkeys(LOOPS, HAS), name="subject_has_a_loop"),
    _spatial(
        ON, "stands_on", lambda pair: (abs(pair.bottom - pair.other_top) <= 0.2 * pair.height) & (pair.across > 0)
    ),
    _spatial(ON, "subject_higher", lambda pair: pair.lower_by > 0.1),
    _spatial(BESIDE, "gap_between", lambda pair: pair.across <= 0),
    _spatial(BESIDE, "same_height", lambda pair: abs(pair.lower_by) <= 0.2),
    _spatial(BESIDE, "boxes_apart", lambda pair: pair.share < 0.5),
]

slicing_functions: list[Any] = [_spatial(HAS, "overlapping", lambda pair: pair.share > 0)]
