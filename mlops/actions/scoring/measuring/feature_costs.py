"""Measures what each feature costs in the transform."""

from typing import Any

from artifacts.examples.batches import record_batches
from artifacts.examples.names import EVAL
from artifacts.schema.schema_file import read_schema
from components.select_features.costs import costs_of
from mlops.actions.scoring.measuring.bench import Bench


def measure(bench: Bench) -> dict[str, Any]:
    """Return by feature nanoseconds a row, and bytes of its vocabularies."""
    schema = read_schema(bench.subject.schema_path)
    batch = next(record_batches(bench.examples, EVAL, schema))
    costs = costs_of(bench.transform_graph, batch, schema)
    sent = [feature.name for feature in bench.subject.serving_features]
    return {
        "features": {
            name: {"nanoseconds": cost.nanoseconds, "vocabulary_bytes": cost.vocabulary_bytes}
            for name in sent
            if (cost := costs.of(name)).nanoseconds is not None
        }
    }
