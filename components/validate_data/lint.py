"""Lints a schema: finds missing rules, and rules that TensorFlow Data Validation accepts but that detect nothing."""

from typing import NamedTuple

from tensorflow_metadata.proto.v0 import schema_pb2

from artifacts.schema import derived
from artifacts.schema.schema_file import SchemaFile
from artifacts.statistics.differences import may_be_absent

_RETIRED = (schema_pb2.DEPRECATED, schema_pb2.DEBUG_ONLY, schema_pb2.DISABLED, schema_pb2.PLANNED, schema_pb2.ALPHA)
_TYPES = (schema_pb2.INT, schema_pb2.FLOAT, schema_pb2.BYTES)


class Fault(NamedTuple):
    """A missing or useless rule of a feature, and how to fix it."""

    feature: str
    description: str
    fix: str


def lint(file: SchemaFile, *, drift: bool = True) -> list[Fault]:
    """Return every fault of a schema, feature by feature; with `drift` features need a drift comparator."""
    if not file.schema.feature:
        return [
            Fault(
                "",
                "the schema has no feature",
                f"describe the features in {file.path.name}; `mlops schema propose` shows how",
            )
        ]
    faults: list[Fault] = []
    for feature in file.schema.feature:
        if feature.lifecycle_stage not in _RETIRED:
            faults += _feature(feature, file, drift=drift)
    return faults


def is_numeric(feature: schema_pb2.Feature) -> bool:
    """Whether statistics treat a feature as numbers, not as categories."""
    if feature.type == schema_pb2.FLOAT:
        return not feature.float_domain.is_categorical
    return bool(feature.type == schema_pb2.INT and not feature.int_domain.is_categorical)


def _feature(feature: schema_pb2.Feature, file: SchemaFile, *, drift: bool) -> list[Fault]:
    if feature.type not in _TYPES:
        return [
            Fault(
                feature.name,
                "has no type that an example can have",
                f"write `type: INT`, `FLOAT` or `BYTES` at {file.place(feature.name, 'type')}",
            )
        ]
    if derived.is_derived(feature):
        faults = [_origin(feature, file), *_comparators(feature, file, drift=drift)]
    else:
        faults = [_presence(feature, file), _finite(feature, file), *_comparators(feature, file, drift=drift)]
    return [fault for fault in faults if fault is not None]


def _origin(feature: schema_pb2.Feature, file: SchemaFile) -> Fault | None:
    """Check the source of a derived feature: without it the feature is never computed."""
    source, deriver = derived.derived_from(feature)
    known = derived.derivers(file.features[source]) if source in file.features else {}
    if deriver in known and feature.name == derived.name_of(source, deriver) and feature.type == known[deriver]:
        return None
    place = file.place(feature.name, "validation_derived_source", "lifecycle_stage")
    if not known:
        fix = (
            "set validation_derived_source { source_path { step } } to a feature with `natural_language_domain {}` "
            f"or `image_domain {{}}`, at {place}"
        )
        return Fault(feature.name, f"is derived from {source or 'nothing'}, which is neither text nor image", fix)
    names = ", ".join(f"{derived.name_of(source, one)} ({_type(kind)})" for one, kind in known.items())
    return Fault(
        feature.name,
        f"has a name, type or deriver_name ({deriver or 'none'}) that does not fit {source}",
        f"correct them at {place}; features that can be derived: {names}",
    )


def _type(kind: int) -> str:
    return str(schema_pb2.FeatureType.Name(kind))


def _presence(feature: schema_pb2.Feature, file: SchemaFile) -> Fault | None:
    """Require a presence: a feature that 95 % of the rows lose hardly drifts, so only its presence detects that."""
    if feature.presence.min_fraction > 0 or may_be_absent(feature):
        return None
    return Fault(
        feature.name,
        "may be missing from every row without being detected",
        "write `presence { min_fraction: 0.9 min_count: 1 }` with its actual share, "
        f"or `presence {{ min_fraction: 0 }}` if every row may lack it, at {file.place(feature.name, 'presence')}",
    )


def _finite(feature: schema_pb2.Feature, file: SchemaFile) -> Fault | None:
    domain = feature.float_domain
    if feature.type != schema_pb2.FLOAT or (domain.disallow_nan and domain.disallow_inf):
        return None
    if domain.HasField("disallow_nan") and domain.HasField("disallow_inf"):
        return None  # explicitly allowed
    return Fault(
        feature.name,
        "may be NaN or infinite without being detected",
        "write `float_domain { disallow_nan: true disallow_inf: true }`, or false where they are allowed, "
        f"at {file.place(feature.name, 'float_domain')}",
    )


def _comparators(feature: schema_pb2.Feature, file: SchemaFile, *, drift: bool) -> list[Fault | None]:
    """Check that comparators can detect a change; which ones are needed depends on the use case."""
    faults = []
    for key, needed in (("drift_comparator", drift and not may_be_absent(feature)), ("skew_comparator", False)):
        comparator = getattr(feature, key)
        if derived.derivers(feature):
            faults.append(_different_values(feature, key, file, needed=needed))
        elif needed or feature.HasField(key):
            faults.append(_comparator(feature, comparator, key, file))
    return faults


def _different_values(feature: schema_pb2.Feature, key: str, file: SchemaFile, *, needed: bool) -> Fault | None:
    """Check that a text or an image is compared by derived features, because nearly all of its values are different."""
    place = file.place(feature.name, key)
    first = next(iter(derived.derivers(feature)))
    example = (
        f'`feature {{ name: "{derived.name_of(feature.name, first)}" type: INT lifecycle_stage: VALIDATION_DERIVED '
        f'validation_derived_source {{ deriver_name: "{first}" source_path {{ step: "{feature.name}" }} }} '
        f"{key} {{ jensen_shannon_divergence {{ threshold: 0.1 }} }} }}`"
    )
    if feature.HasField(key):
        return Fault(
            feature.name,
            f"has a {key} that detects nothing, because nearly every value is different",
            f"remove it at {place}, and compare a derived feature instead: {example}",
        )
    if needed and not derived.compared(file.schema.feature, feature.name, key):
        names = ", ".join(derived.derivers(feature))
        return Fault(
            feature.name,
            f"has no {key} on any feature that is derived from it ({names})",
            f"declare one with a measured threshold, such as {example}",
        )
    return None


def _comparator(
    feature: schema_pb2.Feature, comparator: schema_pb2.FeatureComparator, key: str, file: SchemaFile
) -> Fault | None:
    """Check the method of a comparator: the infinity norm compares shares of categories, and is 0 for numbers."""
    norm, divergence = comparator.infinity_norm.threshold, comparator.jensen_shannon_divergence.threshold
    is_share = derived.is_derived(feature) and derived.derived_from(feature).deriver == derived.UNSEEN_WORDS
    right = "jensen_shannon_divergence" if is_numeric(feature) and not is_share else "infinity_norm"
    fix = (
        f"write `{key} {{ {right} {{ threshold: 0.1 }} }}` with a measured threshold at {file.place(feature.name, key)}"
    )
    if is_share:
        if 0 < norm <= 1:
            return None
        return Fault(feature.name, f"has no {key} with an infinity_norm above 0 and up to 1", fix)
    if is_numeric(feature) and comparator.HasField("infinity_norm"):
        return Fault(
            feature.name, f"is a number whose {key} has an infinity_norm, which detects no change of a number", fix
        )
    if not (0 < divergence <= 1 or 0 < norm <= 1):
        return Fault(feature.name, f"has no {key} with a threshold above 0 and up to 1", fix)
    return None
