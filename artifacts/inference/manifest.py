"""The manifest of bulk inference: which model predicted which rows, and the files with their digests.

It is written last: a folder without one is unfinished.
"""

import json
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from artifacts.facts import show
from artifacts.inference.names import MANIFEST
from core import durable
from core.errors import CorruptArtifact

_STRICT = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


class WrittenFile(BaseModel):
    """One file, by its path below the folder of its artifact."""

    model_config = _STRICT

    name: str
    sha256: str


class InferredShard(BaseModel):
    """The rows of one output shard; the same rows are in each of its files."""

    model_config = _STRICT

    number: int
    split: str
    span: int
    rows: int
    not_finite: int
    """Number of predicted values that are NaN or infinite."""
    quantiles: dict[str, tuple[float, ...]]
    """Output column -> quantiles of its numbers in equal steps, from the least to the greatest."""
    classes: dict[str, int]
    """Predicted class -> number of rows; empty where the model has no named classes."""
    files: dict[str, WrittenFile]
    """Kind of output, such as `parquet` -> file."""


class InferenceManifest(BaseModel):
    """All shards of an inference, and what they were computed from."""

    model_config = _STRICT

    version: Literal[1] = 1
    model: str
    """Name of the model in the registry."""
    model_version: int
    model_digest: str
    signature: str
    columns: dict[str, str]
    """Output of the signature -> feature and column."""
    examples: str
    """Digest of the manifest of the examples that were predicted."""
    rows: int
    shards: tuple[InferredShard, ...]

    @classmethod
    def read(cls, folder: Path | str) -> Self:
        """Read the manifest of a folder; CorruptArtifact when it is missing or invalid."""
        path = Path(folder) / MANIFEST
        try:
            return cls.model_validate_json(path.read_bytes())
        except (OSError, ValidationError) as error:
            raise CorruptArtifact(
                f"{path}: wanted the manifest of predictions, got {error}; run infer_bulk again"
            ) from error

    def write(self, folder: Path | str) -> None:
        """Write the manifest atomically."""
        content = json.dumps(self.model_dump(mode="json"), indent=2) + "\n"
        durable.replace(Path(folder) / MANIFEST, content.encode())

    def _repr_html_(self) -> str:
        """What a notebook shows of it."""
        return show(self)
