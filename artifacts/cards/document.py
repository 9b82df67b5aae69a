"""The document of both cards: sections of entries, each with the place in an artifact that its value comes from.

Its JSON Schema is published as `docs/cards.schema.json`. An entry that has a value names its source, so a number that
nothing was measured for cannot be written down.
"""

import json
from collections.abc import Iterator
from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, ValidationError, model_validator

from artifacts.cards.scope import RiskClass
from core.errors import CorruptArtifact
from core.settings import Documented

Digest = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]
Value = str | bool | int | float


class _Frozen(Documented):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Source(_Frozen):
    """A file of an artifact that values come from."""

    file: str
    """The file's name in its artifact, such as `metrics.json`."""
    digest: Digest
    """Of the file."""


class Entry(_Frozen):
    """One fact: a number or text that was measured, or a statement of a person."""

    name: str
    value: Value | None = None
    """Null: not measured, or not stated."""
    unit: str = ""
    slice: str = ""
    """The part of the data that it is about; empty for all of it."""
    origin: Literal["measured", "stated"] = "measured"
    """`stated`: only a person knows it, and wrote it into the configuration."""
    source: str = ""
    """The name of the source in `sources`; empty where there is no value."""
    at: tuple[str, ...] = ()
    """JSON pointers to the value in the source's file; the value is the sum of the numbers at several."""

    @model_validator(mode="after")
    def _traced(self) -> Self:
        if self.value is not None and not (self.source and self.at):
            raise ValueError(
                f"{self.name!r}: wanted the source of {self.value!r}: a number of a card is never untraced"
            )
        return self

    @property
    def shown(self) -> str:
        """The value as text; what is missing is named."""
        if self.value is None:
            return "not stated" if self.origin == "stated" else "not measured"
        if isinstance(self.value, bool):
            return "yes" if self.value else "no"
        if isinstance(self.value, float):
            return f"{self.value:.4g} {self.unit}".rstrip()
        return f"{self.value:,} {self.unit}".rstrip() if isinstance(self.value, int) else self.value


class Section(_Frozen):
    """A section of a card."""

    name: Annotated[str, Field(pattern=r"^[a-z_]+$")]
    title: str
    entries: tuple[Entry, ...] = ()
    """Empty: nothing of it was measured or stated."""

    def get(self, name: str) -> Entry | None:
        """Return the first entry of a name; None when there is none."""
        return next((entry for entry in self.entries if entry.name == name), None)


class Cards(_Frozen):
    """Both cards of one model."""

    version: Literal[1] = 1
    usecase: str
    """Name of the use case, which is also the model's."""
    subject: Digest
    """Digest of the SavedModel that the cards are about."""
    risk_class: RiskClass
    sources: dict[str, Source]
    """Name of a source -> the file that its values come from."""
    model: tuple[Section, ...]
    """The model card."""
    data: tuple[Section, ...]
    """The data card."""

    @model_validator(mode="after")
    def _known_sources(self) -> Self:
        unknown = sorted({entry.source for entry in self.entries()} - {"", *self.sources})
        if unknown:
            raise ValueError(f"sources: wanted a digest of {', '.join(unknown)}, got none: its values are untraced")
        return self

    def entries(self) -> Iterator[Entry]:
        """Yield the entries of both cards."""
        for section in (*self.model, *self.data):
            yield from section.entries

    def section(self, name: str) -> Section:
        """Return a section of either card; KeyError when there is none."""
        for section in (*self.model, *self.data):
            if section.name == name:
                return section
        raise KeyError(name)

    def content(self) -> bytes:
        """Serialize to JSON; equal cards give equal bytes."""
        body = {"version": self.version, **self.model_dump(mode="json", exclude_defaults=True)}
        return f"{json.dumps(body, indent=2, ensure_ascii=False)}\n".encode()

    @classmethod
    def parse(cls, content: bytes, where: str) -> Self:
        """Parse a document; CorruptArtifact, which names `where` and the field, for any other content."""
        try:
            return cls.model_validate_json(content)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(map(str, first["loc"])) or "the document"
            raise CorruptArtifact(f"{where}: {place}: {first['msg'].removeprefix('Value error, ')}") from None
