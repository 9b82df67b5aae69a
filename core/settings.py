"""The base of every configuration model, and of others whose JSON Schema describes each field by the text under it."""

import ast
import inspect
import textwrap
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from pydantic import BaseModel, ConfigDict, GetJsonSchemaHandler


class Documented(BaseModel):
    """A model whose JSON Schema describes each field by the text that stands under it in the source.

    pydantic's `use_attribute_docstrings` reads these texts whenever a class is made, but only a JSON Schema needs them,
    and in a process with thousands of modules, as a task is, finding the source of the first class takes 0.4 s.
    """

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: Any, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Describe the fields that have no description."""
        schema = handler(core_schema)
        properties = handler.resolve_ref_schema(schema).get("properties", {})
        for name, text in _texts(cls).items():
            if text and name in properties:
                properties[name].setdefault("description", text)
        return schema


class Settings(Documented):
    """A frozen section of a use case's configuration; unknown keys and numbers that are not finite are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, protected_namespaces=())


class GateSettings(Settings):
    """The section of a stage that is a gate for models: `push_model` requires or waives its decision."""


@dataclass(frozen=True)
class FromUseCase:
    """Marks a field of a stage's section that is filled in from a section of the whole use case, such as `beam`."""

    section: str


def shared_in(section: type[BaseModel]) -> dict[str, str]:
    """Return field -> section of the use case for the fields that are annotated with `FromUseCase`."""
    return {
        name: mark.section
        for name, field in section.model_fields.items()
        for mark in field.metadata
        if isinstance(mark, FromUseCase)
    }


def _texts(model: type[BaseModel]) -> dict[str, str]:
    """Return the text of each field; a class that declares a field again has its own text for it, or none."""
    found: dict[str, str] = {}
    for one in reversed(model.__mro__):
        if issubclass(one, Documented) and one is not Documented:
            found |= _own_texts(one)
    return found


def _own_texts(model: type[BaseModel]) -> dict[str, str]:
    """Return the texts of the fields that a class declares, "" for one without; nothing for a class without source."""
    try:
        source = inspect.getsource(model)
    except (OSError, TypeError):  # made by pydantic's create_model
        return {}
    (declared,) = ast.parse(textwrap.dedent(source)).body
    assert isinstance(declared, ast.ClassDef)
    found: dict[str, str] = {}
    for field, after in pairwise([*declared.body, ast.Pass()]):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
            found[field.target.id] = _text(after)
    return found


def _text(statement: ast.stmt) -> str:
    """Return the text that a statement is; "" for any other statement."""
    value = statement.value if isinstance(statement, ast.Expr) else None
    return inspect.cleandoc(value.value) if isinstance(value, ast.Constant) and isinstance(value.value, str) else ""
