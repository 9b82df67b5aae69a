"""A version of our registry as a version in Vertex AI's Model Registry; nothing here talks to Google.

Vertex AI numbers versions itself, so ours is known by its labels: number, digest and image.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from core.backends.registry import ModelVersion
from mlops.worlds.vertex.job import label_value

CHAMPION = "champion"
DEFAULT = "default"
"""Vertex AI's own alias of the version that a model without a version means; it can be moved, and not removed."""
PORT = 8080
HEALTH_ROUTE = "/readyz"
VERSION, DIGEST, IMAGE, RUN = "mlops-version", "mlops-digest", "mlops-image", "mlops-run"
_ID = re.compile(r"[a-z_][a-z0-9_-]{0,62}", re.ASCII)
_PROBE_PERIOD, _PROBE_TIMEOUT, _START_FAILURES = 5, 10, 120


class Mirrored(NamedTuple):
    """A version as Vertex AI has it."""

    name: str
    """Full name with the version, such as `projects/../models/flight_delay@7`."""
    id: str
    """Vertex AI's number of the version."""
    version: int
    """Ours."""
    digest: str
    """The label: what fits of the model's sha256."""
    image: str
    """The label: what fits of the sha256 of the serving image."""
    aliases: frozenset[str]


def model_id(name: str) -> str:
    """Return the id of a model in Vertex AI, which has no capitals, and no digit in front."""
    if _ID.fullmatch(name):
        return name
    return f"m-{label_value(name)[:50]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def alias(version: int) -> str:
    """Return the alias of one of our versions."""
    return f"v{version}"


def image_label(image: str) -> str:
    """Return the label of an image that is named by its digest."""
    return label_value(image.rpartition("@sha256:")[2])


def digest_label(digest: str) -> str:
    """Return the label of a model's digest."""
    return label_value(digest.removeprefix("sha256:"))


def mirrored(answer: Any) -> Mirrored | None:
    """Read a version of Vertex AI; None for one that is not of our registry."""
    labels = dict(answer.labels)
    number = labels.get(VERSION, "")
    if not number.isdecimal() or DIGEST not in labels:
        return None
    name = f"{answer.name.partition('@')[0]}@{answer.version_id}"
    aliases = frozenset(answer.version_aliases)
    return Mirrored(name, answer.version_id, int(number), labels[DIGEST], labels.get(IMAGE, ""), aliases)


def known(answers: Sequence[Any]) -> dict[int, Mirrored]:
    """Return our versions by number; of several uploads of one, the newest."""
    found = sorted((one for one in map(mirrored, answers) if one), key=lambda one: int(one.id))
    return {one.version: one for one in found}


def upload_request(version: ModelVersion, image: str, parent_model: str | None) -> dict[str, Any]:
    """Return the request, without its parent; `parent_model` is None for a model's first version."""
    labels = {
        VERSION: str(version.version),
        DIGEST: digest_label(version.digest),
        IMAGE: image_label(image),
        RUN: label_value(str(version.about.get("run", ""))),
    }
    model: dict[str, Any] = {
        "displayName": version.name,
        "versionDescription": f"version {version.version}, {version.digest}",
        "labels": {key: value for key, value in labels.items() if value},
        "artifactUri": version.address,
        "containerSpec": container_spec(version, image),
    }
    target = {"parentModel": parent_model} if parent_model else {"modelId": model_id(version.name)}
    return {**target, "model": model}


def container_spec(version: ModelVersion, image: str) -> Mapping[str, Any]:
    """Return how the server is started: it answers only for the model of this digest."""
    probe: dict[str, Any] = {
        "httpGet": {"path": HEALTH_ROUTE, "port": PORT},
        "periodSeconds": _PROBE_PERIOD,
        "timeoutSeconds": _PROBE_TIMEOUT,
    }
    return {
        "imageUri": image,
        "command": ["mlops"],
        "args": ["serve", "--vertex", "--digest", version.digest, "--json"],
        "ports": [{"containerPort": PORT}],
        "healthRoute": HEALTH_ROUTE,
        "predictRoute": f"/v1/models/{version.name}:predict",
        "startupProbe": {**probe, "failureThreshold": _START_FAILURES},
        "healthProbe": probe,
    }
