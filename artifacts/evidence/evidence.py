"""The evidence of a candidate: one JSON file with a named decision of each gate that ran.

Its JSON Schema is published as `docs/evidence.schema.json`. Each decision has its digest, so that a later change of it
is detected.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from core import digest, durable
from core.decision import Decision
from core.errors import CorruptArtifact


class Entry(BaseModel):
    """One gate's decision."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_./\[\]-]*$",
        description="Unique in the evidence: the gate, or another name when the gate ran more than once.",
    )
    digest: str = Field(description="Digest of the decision, so that a change is detected.")
    decision: Decision

    @classmethod
    def of(cls, name: str, decision: Decision) -> Self:
        """Make the entry of a decision."""
        return cls(name=name, digest=_digest(decision), decision=decision)

    @model_validator(mode="after")
    def _unchanged(self) -> Self:
        got = _digest(self.decision)
        if self.digest != got:
            raise ValueError(
                f"the decision of {self.decision.gate} was changed after it was added: wanted {self.digest}, got {got}"
            )
        return self


class AttachedCards(BaseModel):
    """The model card and the data card of the candidate, as `write_cards` wrote them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    digest: str = Field(description="Digest of the document, so that a change is detected.")
    content: str = Field(description="The document: JSON whose schema is `docs/cards.schema.json`.")

    @classmethod
    def of(cls, content: str) -> Self:
        """Attach a document."""
        return cls(digest=digest.of_bytes(content.encode()), content=content)

    @model_validator(mode="after")
    def _unchanged(self) -> Self:
        got = digest.of_bytes(self.content.encode())
        if self.digest != got:
            raise ValueError(f"the cards were changed after they were attached: wanted {self.digest}, got {got}")
        return self


class Evidence(BaseModel):
    """The decisions about a candidate, and about the models that it was made from."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = 1
    entries: tuple[Entry, ...] = ()
    cards: AttachedCards | None = Field(default=None, description="The candidate's cards, where they were written.")

    @model_validator(mode="after")
    def _one_of_each_name(self) -> Self:
        names = [entry.name for entry in self.entries]
        repeated = sorted({name for name in names if names.count(name) > 1})
        if repeated:
            raise ValueError(f"wanted one decision of each name, got several of {', '.join(repeated)}")
        return self

    @classmethod
    def of(cls, decisions: Mapping[str, Decision]) -> Self:
        """Make the evidence of some decisions, given by name."""
        return cls(entries=tuple(Entry.of(name, decision) for name, decision in decisions.items()))

    def __add__(self, other: "Evidence") -> "Evidence":
        """Return the entries of both, and the later cards; pydantic's ValidationError for a repeated name."""
        return Evidence(entries=(*self.entries, *other.entries), cards=other.cards or self.cards)

    def of_gate(self, gate: str) -> Iterator[Entry]:
        """Yield the decisions of one gate, in the order in which they were added."""
        return (entry for entry in self.entries if entry.decision.gate == gate)

    def write(self, path: Path | str) -> None:
        """Write the file atomically, creating its folder."""
        target = Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        durable.replace(target, f"{self.model_dump_json(indent=2, exclude=self.absent)}\n".encode())

    @property
    def absent(self) -> set[str]:
        """The fields that are left out of files, because this evidence has none of it."""
        return {"cards"} if self.cards is None else set()

    @classmethod
    def read(cls, path: Path | str) -> Self:
        """Read the file; CorruptArtifact for one that is missing, malformed or changed."""
        try:
            return cls.model_validate_json(Path(path).read_bytes())
        except (OSError, ValidationError) as error:
            raise CorruptArtifact(f"{path}: wanted the evidence of a model, got {_reason(error)}") from None


def read_decisions(paths: Iterable[tuple[str, Path | str]]) -> Evidence:
    """Read the gates' decisions, given as (name, path); CorruptArtifact for an invalid file or a repeated name."""
    entries = []
    for name, path in paths:
        try:
            entries.append(Entry.of(name, Decision.read(path)))
        except (OSError, ValidationError) as error:
            raise CorruptArtifact(f"{path}: wanted the decision {name}, got {_reason(error)}") from None
    try:
        return Evidence(entries=tuple(entries))
    except ValidationError as error:
        raise CorruptArtifact(_reason(error)) from None


def _digest(decision: Decision) -> str:
    return digest.of_bytes(decision.model_dump_json().encode())


def _reason(error: OSError | ValidationError) -> str:
    if isinstance(error, OSError):
        return error.strerror or str(error)
    first = error.errors()[0]
    place = ".".join(map(str, first["loc"]))
    return f"{place}: {first['msg']}" if place else first["msg"]
