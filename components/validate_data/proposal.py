"""Proposes a schema from statistics, such that the data passes the gate; a person curates it from there.

It takes two passes over the data: the first finds the kind of each column, the second, with those kinds, its drift.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

import tensorflow_data_validation as tfdv
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2, statistics_pb2

from artifacts.schema import derived
from artifacts.schema.schema_file import SERVING, TRAINING
from artifacts.statistics.features import Feature, by_name
from artifacts.statistics.words import unseen_share
from components.validate_data.columns import Column, describe_column

_FACTOR = 1.5
"""A threshold is the largest drift between two neighbouring spans times this."""
_FLOOR = 0.05
"""Lowest threshold: a few thousand rows drift by this much by chance."""
_NOT_MEASURED = 0.1
"""The threshold of a feature whose drift could not be measured."""
_TINY = 1e-9
"""A threshold that every drift exceeds, so that TFDV reports it."""

Statistics = Mapping[str, statistics_pb2.DatasetFeatureStatisticsList]


class Label(NamedTuple):
    """The feature to predict, and whether its values are classes."""

    name: str
    is_category: bool


class Span(NamedTuple):
    """The statistics of one span: of its features, and of those derived from texts and images."""

    features: statistics_pb2.DatasetFeatureStatisticsList
    derived: statistics_pb2.DatasetFeatureStatisticsList


class Proposal(NamedTuple):
    """A schema, and a comment per feature on where its rules come from."""

    schema: schema_pb2.Schema
    comments: dict[str, str]


def propose_features(
    statistics: Statistics, label: Label, first_values: Mapping[str, bytes], types: Mapping[str, int]
) -> Proposal:
    """Describe each column: its type, presence, domain, and whether it is a text or an image.

    Args:
        statistics: Of every split and span; the proposal fits each of them.
        label: The feature to predict.
        first_values: A value of each column of bytes, by which an image is recognized.
        types: Types of columns that have no value at all, as far as they are known.
    """
    found: dict[str, list[Feature | None]] = {}
    sets = [by_name(one) for one in statistics.values()]
    for name in dict.fromkeys([*types, *(name for features in sets for name in features)]):
        found[name] = [features.get(name) for features in sets]
    rows = [sum(int(dataset.num_examples) for dataset in one.datasets) for one in statistics.values()]
    proposal = Proposal(schema_pb2.Schema(default_environment=[TRAINING, SERVING]), {})
    for name, features in found.items():
        column = Column(name, features, rows, first_values.get(name, b""), types.get(name, schema_pb2.BYTES))
        described = describe_column(column, is_class=label.is_category and name == label.name)
        if name == label.name:
            described.feature.not_in_environment.append(SERVING)
        proposal.schema.feature.append(described.feature)
        if described.domain is not None:
            proposal.schema.string_domain.append(described.domain)
        proposal.comments[name] = described.comment
    return proposal


def propose_bounds(proposal: Proposal, spans: Sequence[Span], comparator: str = "drift_comparator") -> Proposal:
    """Add a comparator to each feature or its derived features, with a threshold that neighbouring spans keep."""
    schema = schema_pb2.Schema()
    schema.CopyFrom(proposal.schema)
    measures: dict[str, str] = {}
    for feature in list(schema.feature):
        if feature.lifecycle_stage == schema_pb2.DISABLED or feature.presence.min_fraction == 0:
            continue
        for target in _derived_features(feature, spans) if derived.derivers(feature) else [feature]:
            if target is not feature:
                schema.feature.append(target)
            measures[target.name] = _measure_of(target)
    changes = _changes(schema, measures, spans)
    comments = dict(proposal.comments)
    for feature in schema.feature:
        if feature.name not in measures:
            continue
        drifts = changes.get(feature.name, [])
        getattr(getattr(feature, comparator), measures[feature.name]).threshold = _threshold(drifts)
        origin = (
            f"drifted by up to {max(drifts):.2g} between spans" if drifts else "its drift was not measured: one span"
        )
        comments[feature.name] = ". ".join(part for part in (comments.get(feature.name, ""), origin) if part)
    return Proposal(schema, comments)


def to_text(proposal: Proposal, heading: str) -> str:
    """Return a schema in text form, with the comment of each feature above it."""
    parts = [f"# {line}\n" for line in heading.splitlines()]
    for feature in proposal.schema.feature:
        comment = proposal.comments.get(feature.name, "")
        parts.append(f"# {feature.name}: {comment}.\n" if comment else "")
        parts.append(_block("feature", feature))
    parts += [_block("string_domain", domain) for domain in proposal.schema.string_domain]
    parts += [f'default_environment: "{name}"\n' for name in proposal.schema.default_environment]
    return "".join(parts)


def updated(
    curated: schema_pb2.Schema, statistics: statistics_pb2.DatasetFeatureStatisticsList, proposal: Proposal
) -> schema_pb2.Schema:
    """Return a curated schema, extended as little as possible so that the data fits it.

    Features that it does not have are taken from the proposal.
    """
    known = {feature.name for feature in curated.feature}
    result = tfdv.update_schema(curated, statistics)
    kept = [feature for feature in result.feature if feature.name in known]
    new = [
        feature
        for feature in proposal.schema.feature
        if feature.name not in known and (derived.derived_from(feature).source or feature.name) not in known
    ]
    domains = {feature.domain for feature in new}
    del result.feature[:]
    result.feature.extend([*kept, *new])
    used = {feature.domain for feature in kept}
    inherited = [domain for domain in result.string_domain if domain.name in used]
    del result.string_domain[:]
    result.string_domain.extend(inherited)
    result.string_domain.extend(
        domain for domain in proposal.schema.string_domain if domain.name in domains and domain.name not in used
    )
    return result


def _derived_features(feature: schema_pb2.Feature, spans: Sequence[Span]) -> list[schema_pb2.Feature]:
    """Return the derived numbers of a text or an image that every span has."""
    made = []
    present = [by_name(span.derived) for span in spans]
    for deriver, kind in derived.derivers(feature).items():
        needed = derived.WORDS if deriver == derived.UNSEEN_WORDS else deriver
        if deriver == derived.WORDS or any(derived.name_of(feature.name, needed) not in one for one in present):
            continue
        target = schema_pb2.Feature(name=derived.name_of(feature.name, deriver), type=kind)
        target.lifecycle_stage = schema_pb2.VALIDATION_DERIVED
        target.validation_derived_source.deriver_name = deriver
        target.validation_derived_source.source_path.add(step=[feature.name])
        made.append(target)
    return made


def _measure_of(feature: schema_pb2.Feature) -> str:
    if derived.derived_from(feature).deriver == derived.UNSEEN_WORDS:
        return "infinity_norm"
    is_number = (feature.type == schema_pb2.INT and not feature.int_domain.is_categorical) or (
        feature.type == schema_pb2.FLOAT
    )
    return "jensen_shannon_divergence" if is_number else "infinity_norm"


def _changes(schema: schema_pb2.Schema, measures: Mapping[str, str], spans: Sequence[Span]) -> dict[str, list[float]]:
    """Measure the drift of each feature between neighbouring spans."""
    probe = schema_pb2.Schema()
    probe.CopyFrom(schema)
    for feature in probe.feature:
        if feature.name in measures:
            getattr(feature.drift_comparator, measures[feature.name]).threshold = _TINY
    changes: dict[str, list[float]] = {}
    for before, now in pairwise(spans):
        found = tfdv.validate_statistics(_joined(now), probe, previous_statistics=_joined(before))
        for info in found.drift_skew_info:
            for measurement in info.drift_measurements:
                changes.setdefault(".".join(info.path.step), []).append(measurement.value)
        _add_unseen(changes, schema, now, before)
    return changes


def _add_unseen(changes: dict[str, list[float]], schema: schema_pb2.Schema, now: Span, before: Span) -> None:
    for feature in schema.feature:
        source, deriver = derived.derived_from(feature)
        if deriver != derived.UNSEEN_WORDS:
            continue
        words = derived.name_of(source, derived.WORDS)
        share = unseen_share(by_name(now.derived)[words], by_name(before.derived)[words])
        changes[feature.name] = [*changes.get(feature.name, []), share]


def _joined(span: Span) -> statistics_pb2.DatasetFeatureStatisticsList:
    joined = statistics_pb2.DatasetFeatureStatisticsList()
    joined.CopyFrom(span.features)
    if joined.datasets:
        joined.datasets[0].features.extend(by_name(span.derived).values())
    return joined


def _threshold(drifts: Sequence[float]) -> float:
    if not drifts:
        return _NOT_MEASURED
    wanted = max(_FLOOR, _FACTOR * max(drifts))
    return min(1.0, float(f"{wanted * 1.005:.2g}"))


def _block(kind: str, message: schema_pb2.Feature | schema_pb2.StringDomain) -> str:
    body = text_format.MessageToString(message, as_utf8=True)
    return f"{kind} {{\n" + "".join(f"  {line}\n" for line in body.splitlines()) + "}\n"
