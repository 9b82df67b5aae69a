"""Where everything that is written lies: one folder, `MLOPS_HOME` or `.mlops/` in the working directory."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Store:
    """The folders of a store; none of them need exist yet."""

    root: Path

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> "Store":
        """Find the store that an environment names; an empty `MLOPS_HOME` counts as not set."""
        return cls(Path(environment.get("MLOPS_HOME") or ".mlops").expanduser().absolute())

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
