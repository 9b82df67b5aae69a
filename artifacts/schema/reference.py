"""References to the curated schema, also without features that a run leaves out."""

from collections.abc import Collection
from pathlib import Path
from urllib.parse import quote, unquote

from tensorflow_metadata.proto.v0 import schema_pb2

from artifacts.schema.schema_file import SCHEMA_NAME, read_schema, write_schema
from core import user_code


def without_features(reference: str, names: Collection[str]) -> str:
    """Return the reference, which has a digest, of the same schema with these features disabled; itself for none."""
    if not names:
        return reference
    listed = user_code.without(reference)
    plain = reference.removesuffix(f"{user_code.WITHOUT}{listed}") if listed else reference
    left_out = sorted({*left_out_by(reference), *names})
    return f"{plain}{user_code.WITHOUT}{','.join(quote(name, safe='') for name in left_out)}"


def left_out_by(reference: str) -> tuple[str, ...]:
    """Return the features that a reference leaves out."""
    listed = user_code.without(reference)
    return tuple(unquote(name) for name in listed.split(",")) if listed else ()


def read_referenced(reference: str) -> schema_pb2.Schema:
    """Read the schema of a reference, without derived features; those that it leaves out are disabled.

    Raises MlopsError for a file that is missing or has another digest, SchemaError for one that is no schema.
    """
    schema = read_schema(user_code.resolve(reference))
    left_out = left_out_by(reference)
    for feature in schema.feature:
        if feature.name in left_out:
            feature.lifecycle_stage = schema_pb2.DISABLED
    return schema


def referenced_file(reference: str, folder: Path) -> Path:
    """Return the file of a referenced schema; one that leaves out features is written to the folder."""
    if not left_out_by(reference):
        return user_code.resolve(reference)
    write_schema(read_referenced(reference), folder / SCHEMA_NAME)
    return folder / SCHEMA_NAME
