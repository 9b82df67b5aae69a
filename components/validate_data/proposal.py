"""Proposes a schema from statistics; a person decides what of it is taken over."""

import difflib
from pathlib import Path

import tensorflow_data_validation as tfdv
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2, statistics_pb2


def propose(curated: schema_pb2.Schema, statistics: Path | str, name: str) -> str:
    """Return the changes, as a unified diff, that a schema needs for the data to fit; empty when it fits.

    What the schema says beyond the data (comparators, wider ranges) stays; without a feature it is inferred as a whole.
    """
    found = statistics_pb2.DatasetFeatureStatisticsList.FromString(Path(statistics).read_bytes())
    inferred = tfdv.update_schema(curated, found) if curated.feature else tfdv.infer_schema(found)
    before, after = (text_format.MessageToString(schema).splitlines(keepends=True) for schema in (curated, inferred))
    return "".join(difflib.unified_diff(before if curated.feature else [], after, name, f"{name} (proposed)", n=4))
