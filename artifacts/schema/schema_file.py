"""The curated schema as a file that people edit, with the lines of its features."""

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
"""The environments of a schema: rows with a label, and rows that a server is sent."""
_NAME = re.compile(r"""^\s*name\s*:\s*["']([^"']*)["']""")
_BLOCK = re.compile(r"^(\w+)\s*:?\s*\{")


def read_schema(path: Path | str) -> schema_pb2.Schema:
    """Read a schema in text form, without derived features; SchemaError names the file and the line that is invalid."""
    return without_derived(read_schema_with_derived(path))


def read_schema_with_derived(path: Path | str) -> schema_pb2.Schema:
    """Read a schema in text form, with derived features; SchemaError as `read_schema`."""
    try:
        return text_format.Parse(Path(path).read_text(encoding="utf-8"), schema_pb2.Schema())
    except FileNotFoundError as error:
        raise SchemaError(
            f"{path}: wanted the curated schema, got no file; `mlops schema propose USECASE --write` writes a first one"
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise SchemaError(f"{path}: wanted a schema in text form, got {error}") from error
    except text_format.ParseError as error:
        raise SchemaError(f"{path}:{error.GetLine() or 0}: wanted a schema in text form, got {error}") from error


def write_schema(schema: schema_pb2.Schema, path: Path) -> None:
    """Write a schema in text form, atomically."""
    durable.replace(path, text_format.MessageToString(schema).encode())


class SchemaFile:
    """A schema with the lines of its features and domains."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.schema: schema_pb2.Schema = read_schema_with_derived(path)
        self.features: dict[str, schema_pb2.Feature] = {feature.name: feature for feature in self.schema.feature}

    def place(self, feature: str, *keys: str) -> str:
        """Return `file:line` of the first of the keys that a feature has, else of its name, else `file`."""
        lines = self._blocks.get(("feature", feature), {})
        return self._at(next((lines[key] for key in (*keys, "name") if key in lines), None))

    def domain_place(self, feature: str) -> str:
        """Return `file:line` of the domain of a feature."""
        domain = self.features[feature].domain if feature in self.features else ""
        line = self._blocks.get(("string_domain", domain), {}).get("name")
        return self._at(line) if line else self.place(feature, "string_domain", "int_domain", "float_domain", "domain")

    def environment(self, name: str) -> str | None:
        """Return the name if it is one of the schema's default environments, else None."""
        return name if name in self.schema.default_environment else None

    def _at(self, line: int | None) -> str:
        return f"{self.path.name}:{line}" if line else self.path.name

    @cached_property
    def _blocks(self) -> dict[tuple[str, str], dict[str, int]]:
        """(kind, name) of each outermost block -> key -> line."""
        blocks: dict[tuple[str, str], dict[str, int]] = {}
        keys: dict[str, int] = {}
        kind, name, depth = "", "", 0
        for number, line in enumerate(self.path.read_text(encoding="utf-8").splitlines(), 1):
            text = line.split("#", 1)[0]
            block_start, name_line = _BLOCK.match(text.strip()), _NAME.match(text)
            if depth == 0 and block_start:
                kind, name, keys = block_start[1], "", {}
            elif depth == 1:
                if not name and name_line:
                    name = name_line[1]
                keys.setdefault(text.strip().split(" ")[0].rstrip(":{"), number)
            depth += text.count("{") - text.count("}")
            if depth == 0 and kind:
                blocks.setdefault((kind, name), keys)
                kind = ""
        return blocks
