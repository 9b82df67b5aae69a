"""Files with one frozen value as JSON, which stages hand to each other, and what a notebook shows of such a value."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from core import durable, pictures
from core.errors import CorruptArtifact
from core.pictures import Markup

_MOST_ROWS = 30


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

    def _repr_html_(self) -> str:
        """What a notebook shows of it."""
        return show(self)


def show(value: BaseModel) -> Markup:
    """Return the fields of a value as tables: numbers and texts together, and a table for each list of values."""
    scalars, tables = [], []
    for name, content in value:
        if isinstance(content, str | int | float):
            scalars.append((name, content))
        elif isinstance(content, tuple | list) and content and isinstance(content[0], BaseModel):
            tables += [_heading(name, len(content)), _rows(content)]
        elif content not in (None, (), {}, []):
            scalars.append((name, _short(content)))
    return Markup("\n".join([pictures.table(("field", "value"), scalars), *tables]))


def _heading(name: str, count: int) -> Markup:
    more = f", the first {_MOST_ROWS} of {count}" if count > _MOST_ROWS else ""
    return Markup(f"<p>{name}{more}</p>")


def _rows(values: Sequence[BaseModel]) -> Markup:
    names = list(type(values[0]).model_fields)
    rows = [[_cell(getattr(value, name)) for name in names] for value in values[:_MOST_ROWS]]
    kept = [index for index, name in enumerate(names) if any(row[index] is not None for row in rows)]
    return pictures.table([names[index] for index in kept], [[row[index] for index in kept] for row in rows])


def _cell(content: Any) -> str | float | None:
    if content is None or isinstance(content, str | int | float):
        return content
    return _short(content) if content not in ((), {}, []) else None


def _short(content: Any) -> str:
    text = content.model_dump_json() if isinstance(content, BaseModel) else str(content)
    return text if len(text) <= 120 else f"{text[:119]}…"
