"""The curated schema as a file that people edit: what it says, and on which line."""

import re
from functools import cached_property
from pathlib import Path

from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from artifacts.schema.derived import without_derived
from core import durable
from core.errors import SchemaError

SCHEMA_NAME = "schema.pbtxt"
"""The file in a use case's folder."""
TRAINING, SERVING = "TRAINING", "SERVING"
"""The environments that a schema tells apart: rows with a label, and rows as the server gets them."""
_NAME = re.compile(r"""^\s*name\s*:\s*["']([^"']*)["']""")
_BLOCK = re.compile(r"^(\w+)\s*:?\s*\{")


def read_schema(path: Path | str) -> schema_pb2.Schema:
    """Read the features that examples have from a schema in text form; SchemaError names a line it cannot parse."""
    return without_derived(read_whole_schema(path))


def read_whole_schema(path: Path | str) -> schema_pb2.Schema:
    """Read a schema with the numbers that are derived for validation alone; SchemaError as `read_schema`."""
    try:
        return text_format.Parse(Path(path).read_text(encoding="utf-8"), schema_pb2.Schema())
    except FileNotFoundError as error:
        raise SchemaError(
            f"{path}: wanted the curated schema, got no file; `mlops schema propose USECASE --write` makes a first one"
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise SchemaError(f"{path}: wanted a schema in text form, got {error}") from error
    except text_format.ParseError as error:
        raise SchemaError(f"{path}:{error.GetLine() or 0}: wanted a schema in text form, got {error}") from error


def write_schema(schema: schema_pb2.Schema, path: Path) -> None:
    """Write a schema in text form, atomically."""
    durable.replace(path, text_format.MessageToString(schema).encode())


class SchemaFile:
    """A schema with the places of its parts."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.schema: schema_pb2.Schema = read_whole_schema(path)
        self.features: dict[str, schema_pb2.Feature] = {feature.name: feature for feature in self.schema.feature}

    def place(self, feature: str, *keys: str) -> str:
        """Return `file:line` of the first of the keys that a feature has, else of its name, else the file."""
        lines = self._blocks.get(("feature", feature), {})
        return self._at(next((lines[key] for key in (*keys, "name") if key in lines), None))

    def domain_place(self, feature: str) -> str:
        """Return `file:line` of the values that a feature may have."""
        domain = self.features[feature].domain if feature in self.features else ""
        line = self._blocks.get(("string_domain", domain), {}).get("name")
        return self._at(line) if line else self.place(feature, "string_domain", "int_domain", "float_domain", "domain")

    def environment(self, name: str) -> str | None:
        """Return the name when the schema knows such an environment, else None."""
        return name if name in self.schema.default_environment else None

    def _at(self, line: int | None) -> str:
        return f"{self.path.name}:{line}" if line else self.path.name

    @cached_property
    def _blocks(self) -> dict[tuple[str, str], dict[str, int]]:
        """Lines of the keys in each outermost block, by the block's kind and name."""
        found: dict[tuple[str, str], dict[str, int]] = {}
        keys: dict[str, int] = {}
        kind, name, depth = "", "", 0
        for number, line in enumerate(self.path.read_text(encoding="utf-8").splitlines(), 1):
            text = line.split("#", 1)[0]
            if depth == 0 and (opened := _BLOCK.match(text.strip())):
                kind, name, keys = opened[1], "", {}
            elif depth == 1:
                name = name or (named[1] if (named := _NAME.match(text)) else "")
                keys.setdefault(text.strip().split(" ")[0].rstrip(":{"), number)
            depth += text.count("{") - text.count("}")
            if depth == 0 and kind:
                found.setdefault((kind, name), keys)
                kind = ""
        return found
