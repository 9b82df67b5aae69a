"""The JSON Schema of a model describes its fields by the texts under them, which are read for a schema alone."""

import inspect
from typing import Any

import pytest
from pydantic import Field

from core.settings import Documented, Settings


class Base(Documented):
    plain: int
    told: int
    """Base's
    text."""
    again: int = 0
    """Not the heir's text."""


class Heir(Base):
    again: int = 1
    own: Base | None = None
    """Beside a reference."""
    given: int = Field(default=1, description="Its description.")
    """A text that the description stands before."""


def test_fields_are_described_by_their_own_texts() -> None:
    schema = Heir.model_json_schema()
    found = {name: field.get("description") for name, field in schema["properties"].items()}
    assert found == {
        "plain": None,
        "told": "Base's\ntext.",
        "again": None,
        "own": "Beside a reference.",
        "given": "Its description.",
    }
    assert schema["$defs"]["Base"]["properties"]["again"]["description"] == "Not the heir's text."


def test_making_a_model_reads_no_source(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: Any) -> None:
        raise AssertionError("read the source, which takes 0.4 s in a task")

    monkeypatch.setattr(inspect, "getmodule", refused)

    class Section(Settings):
        key: int = 1
        """Its text."""

    assert Section().key == 1
