"""Converts a run's facts to properties of MLMD's nodes and back."""

import json
from collections.abc import Mapping
from typing import Any

from core.backends.metadata import ArtifactFacts

RUN = "pipeline_run"
"""Context type of a run."""


def set_properties(node: Any, properties: Mapping[str, str | float]) -> None:
    """Set custom properties of an execution, an artifact or a context."""
    for key, value in properties.items():
        if isinstance(value, str):
            node.custom_properties[key].string_value = value
        else:
            node.custom_properties[key].double_value = value


def artifact_facts(artifact: Any) -> ArtifactFacts:
    """Return the facts of an MLMD artifact."""
    stored = artifact.custom_properties
    properties = json.loads(stored["properties"].string_value)
    return ArtifactFacts(artifact.type, artifact.uri, stored["digest"].string_value, properties)


def as_json(value: Mapping[str, Any]) -> str:
    """Serialize a mapping as the value of a property."""
    return json.dumps(value, sort_keys=True)
