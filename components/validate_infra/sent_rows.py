"""Encodes raw rows for a request: as named features, as the tensors of the signature, or as tf.Examples."""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from artifacts.model.features import Features
from artifacts.model.request import Tensor, tensors
from artifacts.model.rows import Row, from_json, to_json, values

_SHOWN = 300
"""Characters of a row in a message."""


@dataclass(frozen=True)
class SentRows:
    """The row format of one model and server."""

    features: Features | None
    takes_examples: bool
    wants_tensors: bool = False
    """Whether the server is TensorFlow Serving's: it takes the tensors by their names, and every one in every row."""

    def instances(self, rows: Sequence[Row]) -> list[Any]:
        """Return the `instances` of a request in TensorFlow Serving's REST interface."""
        known = [self._known(row) for row in rows]
        if self.takes_examples:
            return [{"b64": base64.b64encode(_example(row, self.features)).decode("ascii")} for row in known]
        if self.features is None or not self.wants_tensors:
            return known
        columns: dict[str, Tensor] = {}
        for feature in self.features.features:
            column = [from_json(row.get(feature.name)) for row in known]
            if feature.is_list:
                column = [value if isinstance(value, list | None) else [value] for value in column]
            columns |= tensors(feature, column)
        listed = {name: to_json(tensor.tolist()) for name, tensor in columns.items()}
        return [{name: column[at] for name, column in listed.items()} for at in range(len(rows))]

    def shown(self, row: Row) -> str:
        """Describe for a message how a row was sent."""
        content = json.dumps(self._known(row), ensure_ascii=False)
        content = content if len(content) <= _SHOWN else f"{content[:_SHOWN]}..."
        form = "a serialized tf.Example of" if self.takes_examples else "the features"
        return f"the row was sent as {form} {content}"

    def _known(self, row: Row) -> Row:
        """Leave out what the model does not take, such as a column that is not in the environment SERVING."""
        if self.features is None:
            return row
        return {name: value for name, value in row.items() if name in self.features.by_name}


def _example(row: Row, features: Features | None) -> bytes:
    """Encode a raw row as a tf.Example, with the model's types of numbers if they are known."""
    from serving.models.savedmodel import serialize  # noqa: PLC0415 - TensorFlow, only for models that want it

    found: Mapping[str, list[Any]] = values(row)
    if features is not None:
        floats = {feature.name for feature in features.features if feature.dtype == "float32"}
        found = {name: [float(v) for v in listed] if name in floats else listed for name, listed in found.items()}
    serialized: bytes = serialize([dict(found)])[0]
    return serialized
