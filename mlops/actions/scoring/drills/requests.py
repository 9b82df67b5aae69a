"""Gives rows of the training, whole and broken, to the code that reads a server's requests."""

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from artifacts.model.features import Feature, read_features
from artifacts.model.names import FEATURES, WARM_UP_ROWS
from mlops.actions.scoring.subject import Subject
from serving.bodies.requests import Question, feeds
from serving.errors import RequestError
from serving.signature import DEFAULT_SIGNATURE, Signature, feature_fields


class Answered(NamedTuple):
    """What the server's reader did with rows."""

    passed: bool | None
    observed: str
    same: bool | None
    """Whether the server and the schema need the same features."""
    differing: str


def drill(subject: Subject) -> Answered:
    """Every real row must be taken, and every broken one refused."""
    version = subject.version
    if version is None or not (version.path / FEATURES).is_file() or not (version.path / WARM_UP_ROWS).is_file():
        return Answered(None, "the model has no rows or features", None, "no model with a feature file")
    features = read_features(version.path)
    if features is None:
        return Answered(None, "the model has no features", None, "no model with a feature file")
    signature = Signature(DEFAULT_SIGNATURE, feature_fields(features), ())
    lines = (version.path / WARM_UP_ROWS).read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    refused_real = [row for row in rows if not _is_taken([row], signature)]
    broken = [(what, one) for row in rows[:8] for what, one in _broken(row, features.features)]
    taken = [what for what, one in broken if _is_taken([one], signature)]
    passed = bool(rows) and bool(broken) and not refused_real and not taken
    observed = (
        f"{len(rows) - len(refused_real)} of {len(rows)} real rows taken, "
        f"{len(broken) - len(taken)} of {len(broken)} broken ones refused"
    )
    needed = {one.name for one in subject.serving_features if one.presence.min_fraction == 1.0}
    required = {one.name for one in features.features if one.required}
    differing = ", ".join(sorted(needed ^ required))
    return Answered(passed, observed, not differing, differing or f"{len(required)} features")


def _is_taken(rows: list[dict[str, Any]], signature: Signature) -> bool:
    try:
        feeds(Question(DEFAULT_SIGNATURE, "instances", rows, {}), signature, 1000)
    except RequestError:
        return False
    return True


def _broken(row: dict[str, Any], features: tuple[Feature, ...]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield copies of a row that break the schema, with what is wrong."""
    yield "unknown feature", row | {"no_such_feature": 1}
    for feature in features:
        name = feature.name
        if feature.required:
            yield f"{name} missing", {key: value for key, value in row.items() if key != name}
        if name in row:
            wrong: Any = 12.5 if feature.dtype == "string" else "not a number"
            yield f"{name} of another type", row | {name: [wrong] if isinstance(row[name], list) else wrong}
            yield f"{name} an object", row | {name: {"x": 1}}
