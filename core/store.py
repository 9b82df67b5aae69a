"""Where everything that is written lies: one folder, `MLOPS_HOME` or `.mlops/` in the working directory.

Data and models may lie in an object store instead, `MLOPS_STORE`, where other machines find them too.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from core.errors import UsageError
from core.objects import checked


@dataclass(frozen=True)
class Store:
    """The folders of a store; none of them need exist yet."""

    root: Path
    objects: str = ""
    """Address in an object store, such as `s3://bucket/folder`, that holds data and models; empty: below `root`."""

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> "Store":
        """Find the store that an environment names; an empty variable is as if unset. UsageError for no address."""
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

    def source(self, usecase: str) -> str:
        """Return where a use case's spans lie: a path, or an address in the object store."""
        return f"{self.objects}/data/{usecase}" if self.objects else str(self.data / usecase)

    @property
    def data(self) -> Path:
        """Source spans by use case, as `data/<usecase>/span-<n>/`."""
        return self.root / "data"

    @property
    def models(self) -> Path:
        """The model registry, laid out as TensorFlow Serving reads it."""
        return self.root / "models"

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
        """What was built and pushed of the container images, and their bills of materials beside it in `images/`."""
        return self.root / "images.json"
