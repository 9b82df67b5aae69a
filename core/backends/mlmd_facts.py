"""How a run's facts are written as properties of MLMD's nodes, and read back."""

import json
from collections.abc import Mapping
from typing import Any

from core.backends.metadata import ArtifactFacts

RUN = "pipeline_run"
"""Type of the context that stands for one run."""


def set_properties(node: Any, properties: Mapping[str, str | float]) -> None:
    """Set custom properties of an execution, an artifact or a context."""
    for key, value in properties.items():
        if isinstance(value, str):
            node.custom_properties[key].string_value = value
        else:
            node.custom_properties[key].double_value = value


def artifact_facts(artifact: Any) -> ArtifactFacts:
    """Read an artifact back."""
    about = artifact.custom_properties
    properties = json.loads(about["properties"].string_value)
    return ArtifactFacts(artifact.type, artifact.uri, about["digest"].string_value, properties)


def as_json(value: Mapping[str, Any]) -> str:
    """Write a mapping as a property."""
    return json.dumps(value, sort_keys=True)
