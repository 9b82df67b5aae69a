"""Draws a table of all features: share of missing values, summary and small histograms, per split.

A text is shown by its length and its words, an image by its size and brightness, a list also by its number of values.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

from tensorflow_metadata.proto.v0 import schema_pb2

from artifacts.examples.names import EVAL, TRAIN
from artifacts.schema import derived
from artifacts.schema.derived import name_of
from artifacts.statistics.features import Feature, by_name, common_statistics, is_number, missing, mostly_unique
from artifacts.statistics.features import examples as example_count
from artifacts.statistics.histograms import Shares, histograms, list_lengths
from artifacts.statistics.names import SERVING, of_split, title
from components.compute_statistics.in_process import ComputedStatistics
from core import pictures
from core.pictures import Markup, Series

_SHOWN = (of_split(TRAIN), of_split(EVAL), SERVING)
"""The datasets in the histograms; validation is left out, because it is a sample of the spans of train."""
_TOP_WORDS = 8

Row: TypeAlias = list[str | float | None]


class _Shown(NamedTuple):
    """The statistics of one feature by dataset; None for a dataset without the feature."""

    name: str
    features: Mapping[str, Feature | None]

    @property
    def present(self) -> dict[str, Feature]:
        return {name: feature for name, feature in self.features.items() if feature is not None}


def describe(computed: ComputedStatistics, schema: schema_pb2.Schema) -> Markup:
    """Draw the features of several datasets: those of the schema in its order, then others by name."""
    sets = [name for name in _SHOWN if name in computed.features]
    raw = {name: by_name(computed.features[name]) for name in sets}
    extra = {name: by_name(computed.derived[name]) if name in computed.derived else {} for name in sets}
    known = [feature.name for feature in schema.feature if not derived.is_derived(feature)]
    others = sorted({name for features in raw.values() for name in features} - set(known))
    rows = []
    for name in known + others:
        shown = _Shown(name, {one: raw[one].get(name) for one in sets})
        rows += _rows(shown, extra, schema)
    names = [title(name) for name in sets]
    counts = ", ".join(f"{title(name)} {example_count(one):,}" for name, one in computed.features.items())
    headers = [
        "feature",
        "distribution",
        *(f"missing in {name}" for name in names),
        *(f"summary of {name}" for name in names),
    ]
    return pictures.fragment("Data", f"Examples: {counts}.", pictures.legend(names), pictures.table(headers, rows))


def _rows(shown: _Shown, extra: Mapping[str, Mapping[str, Feature]], schema: schema_pb2.Schema) -> list[Row]:
    """Return a row for a feature, and further rows for its number of values and its derived features."""
    if not shown.present:
        return [[shown.name, pictures.muted("no values"), *[None] * (2 * len(shown.features))]]
    is_text, is_image = shown.name in derived.texts(schema), shown.name in derived.images(schema)
    if not (is_text or is_image):
        lengths = [_list_row(shown)] if _is_list(shown) else []
        return [_row(shown, _drawn(shown), _values), *lengths]
    numbers = (
        (derived.CHARACTERS, derived.WORD_COUNT) if is_text else (derived.WIDTH, derived.HEIGHT, derived.BRIGHTNESS)
    )
    first = _row(
        shown,
        pictures.muted("text: see lengths and words below" if is_text else "image: see sizes below"),
        _different,
    )
    rows = [first]
    for deriver in numbers:
        one = _Shown(f"{shown.name}: {deriver.replace('_', ' ')}", _derived_of(shown.name, deriver, extra))
        if one.present:
            rows.append(_row(one, _drawn(one), _values))
    if is_text:
        words = _Shown(f"{shown.name}: words", _derived_of(shown.name, derived.WORDS, extra))
        if words.present:
            rows.append(_row(words, _drawn(words), _top_words))
    return rows


def _derived_of(source: str, deriver: str, extra: Mapping[str, Mapping[str, Feature]]) -> dict[str, Feature | None]:
    return {one: features.get(name_of(source, deriver)) for one, features in extra.items()}


def _row(shown: _Shown, drawing: Markup, summarize: Callable[[Feature], str]) -> Row:
    features = shown.features.values()
    missing_shares = [None if feature is None else f"{missing(feature):.1%}" for feature in features]
    summaries = [None if feature is None else summarize(feature) for feature in features]
    return [shown.name, drawing, *missing_shares, *summaries]


def _drawn(shown: _Shown) -> Markup:
    """Draw the histogram of a feature; none when nearly every value is different."""
    features = list(shown.present.values())
    if any(feature.WhichOneof("stats") == "bytes_stats" for feature in features):
        return pictures.muted("bytes")
    if any(mostly_unique(feature) for feature in features):
        return pictures.muted("nearly every value is different")
    return _bars(shown, *histograms(features))


def _bars(shown: _Shown, shares: Sequence[Shares], labels: Sequence[str]) -> Markup:
    series = [Series(title(one), share.tolist()) for one, share in zip(shown.present, shares, strict=True)]
    return pictures.bars(series, labels)


def _is_list(shown: _Shown) -> bool:
    return any(common_statistics(feature).max_num_values > 1 for feature in shown.present.values())


def _list_row(shown: _Shown) -> Row:
    """Return a row with the histogram of a list feature's number of values."""
    lengths = _Shown(f"{shown.name}: values a row", shown.features)
    drawing = _bars(lengths, *list_lengths(list(shown.present.values())))
    return _row(lengths, drawing, _value_counts)


def _values(feature: Feature) -> str:
    if is_number(feature):
        numbers = feature.num_stats
        return f"{numbers.min:.4g} to {numbers.max:.4g}, mean {numbers.mean:.4g}, deviation {numbers.std_dev:.4g}"
    if feature.WhichOneof("stats") == "bytes_stats" or mostly_unique(feature):
        return _different(feature)
    strings = feature.string_stats
    total = max(common_statistics(feature).tot_num_values, 1)
    top = ", ".join(f"{value.value} {value.frequency / total:.0%}" for value in strings.top_values[:3])
    return f"{strings.unique} values: {top}"


def _different(feature: Feature) -> str:
    """Summarize a feature whose values are nearly all different by their number and length."""
    if feature.WhichOneof("stats") == "bytes_stats":
        content = feature.bytes_stats  # TFDV does not count the different values of bytes
        count = content.common_stats.tot_num_values
        return f"{count:,} values of {content.min_num_bytes:.0f} to {content.max_num_bytes:.0f} bytes"
    return f"{feature.string_stats.unique:,} different values, {feature.string_stats.avg_length:.0f} bytes on average"


def _top_words(feature: Feature) -> str:
    total = max(common_statistics(feature).tot_num_values, 1)
    top = ", ".join(
        f"{value.value} {value.frequency / total:.1%}" for value in feature.string_stats.top_values[:_TOP_WORDS]
    )
    return f"{feature.string_stats.unique:,} different words: {top}"


def _value_counts(feature: Feature) -> str:
    common = common_statistics(feature)
    return f"{common.min_num_values} to {common.max_num_values} values, mean {common.avg_num_values:.3g}"
