"""The checks of bulk inference: before it, that the model takes such rows; after it, counts and digests."""

import gzip
from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow_hotfix  # noqa: F401
import pyarrow.parquet as pq
from tensorflow_metadata.proto.v0 import schema_pb2

from artifacts.examples import tfrecord
from artifacts.inference.manifest import InferredShard
from artifacts.model.features import Features
from components.infer_bulk.progress import damaged
from components.infer_bulk.writer import Folders
from core.decision import Check, Verdict
from core.errors import CorruptArtifact

_TYPES = {schema_pb2.INT: "int64", schema_pb2.FLOAT: "float32", schema_pb2.BYTES: "string"}


def takes_the_schema(features: Features, schema: schema_pb2.Schema, columns: Mapping[str, str]) -> tuple[Check, ...]:
    """Check that the schema describes what the model takes, and that no prediction gets the name of a feature."""
    described = {feature.name: _TYPES.get(feature.type, "") for feature in schema.feature}
    faults = []
    for feature in features.features:
        if feature.name not in described and feature.required:
            faults.append(f"the schema has no {feature.name}")
        elif described.get(feature.name, feature.dtype) != feature.dtype:
            faults.append(f"{feature.name} is {feature.dtype} in the model and {described[feature.name]} in the schema")
    taken = sorted(set(columns.values()) & described.keys())
    return (
        _check(
            "the schema describes what the model takes",
            "; ".join(faults),
            "choose a version that was trained with this schema (infer_bulk.version), or train again",
        ),
        _check(
            "no prediction has the name of a feature",
            f"{', '.join(taken)} is a feature" if taken else "",
            "name it otherwise with infer_bulk.output_columns",
        ),
    )


def every_row(fault: str) -> Check:
    """Check that the model could predict every row; the fault names the first that it could not."""
    return _check("every row can be predicted", fault, "correct the data; shards that are finished are kept")


def written(entries: Sequence[InferredShard], wanted: int, folders: Folders) -> tuple[Check, ...]:
    """Check that the files on disk have as many rows as the examples, that they are intact, and all numbers finite."""
    rows = sum(entry.rows for entry in entries)
    broken = [file for entry in entries for file in damaged(folders, entry)]
    other = [] if broken else [fault for entry in entries for fault in _counts(entry, folders)]
    not_finite = sum(entry.not_finite for entry in entries)
    again = "run infer_bulk again; only what is damaged is computed again"
    return (
        Check(
            rule="as many rows are predicted as there are",
            threshold=float(wanted),
            observed=float(rows),
            verdict=Verdict.PASS if rows == wanted else Verdict.FAIL,
            next_step="" if rows == wanted else again,
        ),
        _check("every file has the bytes that were written", "; ".join(broken[:3]), again),
        _check("every file has the rows of its shard", "; ".join(other[:3]), again),
        _check(
            "every prediction is a finite number",
            f"{not_finite} values are not" if not_finite else "",
            "choose another version (infer_bulk.version), and check the training of this one",
        ),
    )


def _counts(entry: InferredShard, folders: Folders) -> list[str]:
    """Count the rows in the files of a shard; return those with another number."""
    faults = []
    for kind, file in entry.files.items():
        path: Path = getattr(folders, kind) / file.name
        got = pq.ParquetFile(path).metadata.num_rows if kind == "parquet" else _records(path)
        if got != entry.rows:
            faults.append(f"{kind}: {file.name} has {got} of {entry.rows} rows")
    return faults


def _records(path: Path) -> int:
    try:
        return sum(1 for _ in tfrecord.read_trusted(tfrecord.inflate(path)))
    except (gzip.BadGzipFile, EOFError) as error:
        raise CorruptArtifact(f"{path}: {error}; run infer_bulk again") from error


def _check(rule: str, fault: str, next_step: str) -> Check:
    return Check(
        rule=rule,
        observed=fault or None,
        verdict=Verdict.FAIL if fault else Verdict.PASS,
        next_step=next_step if fault else "",
    )
