"""The folder that everything is written to: `MLOPS_HOME`, or `.mlops/` in the working directory.

`MLOPS_STORE` moves data and models to an object store, which other machines can read.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from core.errors import UsageError
from core.objects import checked


@dataclass(frozen=True)
class Store:
    """The paths of a store; none of them need exist yet."""

    root: Path
    objects: str = ""
    """Address in an object store, such as `s3://bucket/folder`, of data and models; when empty, they are in `root`."""

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> "Store":
        """Read MLOPS_HOME and MLOPS_STORE; empty means unset. UsageError when MLOPS_STORE is no address."""
        address = environment.get("MLOPS_STORE", "")
        try:
            address = checked(address) if address else ""
        except UsageError as error:
            raise UsageError(f"MLOPS_STORE: {error}") from None
        return cls(Path(environment.get("MLOPS_HOME") or ".mlops").expanduser().absolute(), address)

    @property
    def registry(self) -> str:
        """Root of the model registry: a path, or an address in the object store."""
        return f"{self.objects}/models" if self.objects else str(self.models)

    @property
    def releases(self) -> str:
        """Root of the releases and of the environments' logs: a path, or an address in the object store."""
        return f"{self.objects}/releases" if self.objects else str(self.root / "releases")

    def source(self, usecase: str) -> str:
        """Return the folder of a use case's spans: a path, or an address in the object store."""
        return f"{self.objects}/data/{usecase}" if self.objects else str(self.data / usecase)

    @property
    def data(self) -> Path:
        """Source spans by use case, as `data/<usecase>/span-<n>/`."""
        return self.root / "data"

    @property
    def models(self) -> Path:
        """The model registry, in the layout that TensorFlow Serving reads."""
        return self.root / "models"

    @property
    def compiled(self) -> Path:
        """Compiled pipelines; none before a store's first run."""
        return self.root / "compiled"

    @property
    def runs(self) -> Path:
        """One folder per run: the compiled pipeline, logs, decisions and the report."""
        return self.root / "runs"

    @property
    def metadata(self) -> Path:
        """ML Metadata's SQLite file."""
        return self.root / "metadata.sqlite"

    @property
    def images(self) -> Path:
        """The record of the images that were built and pushed; their bills of materials are in `images/` beside it."""
        return self.root / "images.json"
