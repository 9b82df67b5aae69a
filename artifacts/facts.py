"""Files with one frozen value as JSON, which stages hand to each other."""

from pathlib import Path
from typing import ClassVar, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from core import durable
from core.errors import CorruptArtifact


class Facts(BaseModel):
    """A frozen part of a file; unknown keys, NaN and infinities are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class FactsFile(BaseModel):
    """The whole content of a file; a subclass says which."""

    FILE: ClassVar[str]
    """Its name in the folder of the artifact."""
    WANTED: ClassVar[str]
    """What it is, for the error about another content."""
    NEXT_STEP: ClassVar[str] = ""

    def write(self, folder: Path | str) -> None:
        """Write the file to its folder, atomically."""
        path = Path(folder) / self.FILE
        path.parent.mkdir(parents=True, exist_ok=True)
        durable.replace(path, f"{self.model_dump_json(indent=2)}\n".encode())

    @classmethod
    def read(cls, folder: Path | str) -> Self:
        """Read the file of a folder; CorruptArtifact when it is missing or invalid."""
        path = Path(folder) / cls.FILE
        try:
            return cls.model_validate_json(path.read_bytes())
        except (OSError, ValidationError) as error:
            next_step = f"; {cls.NEXT_STEP}" if cls.NEXT_STEP else ""
            raise CorruptArtifact(f"{path}: wanted {cls.WANTED}, got {error}{next_step}") from None
