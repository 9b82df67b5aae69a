"""Describes a column for a proposed schema: number, category, text, image or identifier, with domain and presence."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from tensorflow_metadata.proto.v0 import schema_pb2, statistics_pb2

from artifacts.statistics.features import Feature, common_statistics, is_number, missing, mostly_unique

_DOMAIN_VALUES = 100
"""Maximum number of different values for which a domain is proposed."""
_DOMAIN_TIMES = 5
"""Minimum average count of a value for which a domain is proposed."""
_DOMAIN_MASS = 0.99
"""Minimum share of values that must be in a proposed domain."""
_TEXT_WORDS = 2.5
"""Minimum average number of words of a text."""
_RARE = 0.05
"""A column that a smaller share of rows has may be absent."""
_RANGE = 20
"""Minimum number of values for which a range is proposed."""
_NOT_TEXT = "__BYTES_VALUE__"
"""TensorFlow Data Validation's placeholder for a value that is not UTF-8."""
_IMAGES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF8", b"BM")
"""The first bytes of PNG, JPEG, GIF and BMP images."""


class Column(NamedTuple):
    """The statistics of a column in every dataset (split or span)."""

    name: str
    features: Sequence[Feature | None]
    """Its statistics in each dataset; None where it has no value."""
    rows: Sequence[int]
    """Number of rows of each dataset."""
    first_value: bytes
    type: int
    """Its type when it has no value at all."""

    @property
    def present(self) -> list[Feature]:
        """Its statistics in the datasets where it has a value."""
        return [feature for feature in self.features if feature is not None and _values(feature)]

    @property
    def fraction(self) -> float:
        """The smallest share of rows with a value over the datasets, from 0 to 1."""
        return min((0.0 if feature is None else 1 - missing(feature) for feature in self.features), default=0.0)


class DescribedColumn(NamedTuple):
    """A proposed feature, its domain, and a comment on where its rules come from."""

    feature: schema_pb2.Feature
    domain: schema_pb2.StringDomain | None
    comment: str


def describe_column(column: Column, *, is_class: bool) -> DescribedColumn:
    """Describe a column; with `is_class` its values are the classes to predict."""
    feature = schema_pb2.Feature(name=column.name, type=column.type)
    if not column.present:
        feature.presence.min_fraction = 0
        return DescribedColumn(feature, None, "it has no value at all")
    comment = _set_presence(feature, column)
    numbers = all(is_number(one) for one in column.present) and any(one.HasField("num_stats") for one in column.present)
    if numbers:
        feature.type = _number_type(column)
        _number_domain(feature, column, is_class=is_class)
        return DescribedColumn(feature, None, comment)
    feature.type = schema_pb2.BYTES
    domain, remark = _bytes_domain(feature, column, is_class=is_class)
    return DescribedColumn(feature, domain, ". ".join(part for part in (comment, remark) if part))


def _set_presence(feature: schema_pb2.Feature, column: Column) -> str:
    """Set presence, with a margin, and value count or shape; return a comment."""
    common = [common_statistics(one) for one in column.present]
    fewest, most = min(one.min_num_values for one in common), max(one.max_num_values for one in common)
    fraction = column.fraction
    if fraction >= 1 and fewest == most:
        feature.presence.min_fraction, feature.presence.min_count = 1.0, 1
        feature.shape.dim.add(size=most)
        return ""
    feature.value_count.min, feature.value_count.max = min(fewest, 1), max(most, 1)
    if fewest == most and most > 1:
        feature.value_count.min = most
    if fraction < _RARE:
        feature.presence.min_fraction = 0
        return f"it may be absent: in some split or span only {fraction:.2%} of the rows have it"
    rows = min(count for count in column.rows if count) if any(column.rows) else 1
    margin = max(0.05, 3 * math.sqrt(fraction * (1 - fraction) / rows)) if fraction < 1 else 0.0
    feature.presence.min_fraction = max(0.01, math.floor((fraction - min(margin, fraction / 2)) * 100) / 100)
    feature.presence.min_count = 1
    return f"at least {fraction:.1%} of the rows have it" if fraction < 1 else ""


def _number_type(column: Column) -> int:
    is_float = any(one.type == statistics_pb2.FeatureNameStatistics.FLOAT for one in column.present)
    return int(schema_pb2.FLOAT if is_float else schema_pb2.INT)


def _number_domain(feature: schema_pb2.Feature, column: Column, *, is_class: bool) -> None:
    low = min(one.num_stats.min for one in column.present)
    high = max(one.num_stats.max for one in column.present)
    enough = max(_values(one) for one in column.present) >= _RANGE
    if feature.type == schema_pb2.INT:
        if is_class:
            feature.int_domain.is_categorical = True
            feature.int_domain.min, feature.int_domain.max = int(low), int(high)
        elif enough:
            wide_low, wide_high = _widened(low, high)
            feature.int_domain.min = max(math.floor(wide_low), -(1 << 62))
            feature.int_domain.max = min(math.ceil(wide_high), 1 << 62)
        return
    domain = feature.float_domain
    domain.disallow_nan = not any(_nans(one) for one in column.present)
    domain.disallow_inf = math.isfinite(low) and math.isfinite(high)
    if enough and domain.disallow_inf and low <= high:
        domain.min, domain.max = _widened(low, high)


def _widened(low: float, high: float) -> tuple[float, float]:
    """Widen a range by half of it on both sides, rounded to two digits; one without negative numbers starts at 0."""
    margin = 0.5 * ((high - low) or abs(high) or 1.0)
    wide_low, wide_high = low - margin, high + margin
    rounded_low = math.floor(wide_low / _step(wide_low)) * _step(wide_low)
    rounded_high = math.ceil(wide_high / _step(wide_high)) * _step(wide_high)
    return 0.0 if low >= 0 else rounded_low, rounded_high


def _step(value: float) -> float:
    """Return the unit of a number's second significant digit."""
    return 10.0 ** (math.floor(math.log10(abs(value))) - 1) if value else 1.0


def _nans(feature: Feature) -> int:
    return sum(int(one.num_nan) for one in feature.num_stats.histograms)


def _bytes_domain(
    feature: schema_pb2.Feature, column: Column, *, is_class: bool
) -> tuple[schema_pb2.StringDomain | None, str]:
    """Set the domain of a column of bytes; return the list of its values, when they are few, and a remark."""
    labels = _labels(column)
    if column.first_value.startswith(_IMAGES):
        feature.image_domain.SetInParent()
        return None, "its values are images"
    if any(one.WhichOneof("stats") == "bytes_stats" for one in column.present) or _NOT_TEXT in labels:
        feature.image_domain.SetInParent()
        return None, "its values are bytes that are not text; only their size is compared"
    if not is_class and any(mostly_unique(one) for one in column.present):
        if _average_words(labels) >= _TEXT_WORDS:
            feature.natural_language_domain.SetInParent()
            return None, "its values are texts"
        feature.lifecycle_stage = schema_pb2.DISABLED
        return None, "nearly every value is different, as in an identifier: drop lifecycle_stage if a model may use it"
    times = sum(_values(one) for one in column.present) / max(len(labels), 1)
    complete = all(one.string_stats.unique <= _DOMAIN_VALUES for one in column.present)
    if is_class or (complete and len(labels) <= _DOMAIN_VALUES and times >= _DOMAIN_TIMES):
        feature.domain = column.name
        if not is_class:
            feature.distribution_constraints.min_domain_mass = _DOMAIN_MASS
        return schema_pb2.StringDomain(name=column.name, value=sorted(labels)), ""
    return None, ""


def _labels(column: Column) -> set[str]:
    return {bucket.label for one in column.present for bucket in one.string_stats.rank_histogram.buckets}


def _average_words(labels: set[str]) -> float:
    return sum(len(label.split()) for label in labels) / max(len(labels), 1)


def _values(feature: Feature) -> int:
    return int(common_statistics(feature).tot_num_values)
