"""A table of all features, split beside split: how many are missing, what they look like, and small histograms.

A text is shown by its length and its words, an image by its size and brightness, a list also by how many values it has.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

from tensorflow_metadata.proto.v0 import schema_pb2

from artifacts.examples.names import EVAL, TRAIN
from artifacts.schema import derived
from artifacts.schema.derived import name_of
from artifacts.statistics.features import Feature, by_name, common_statistics, is_number, missing, mostly_unique
from artifacts.statistics.features import examples as example_count
from artifacts.statistics.names import SERVING, of_split, title
from components.compute_statistics.histograms import Shares, histograms, list_lengths
from components.compute_statistics.in_process import Described
from core import pictures
from core.pictures import Markup, Series

_SHOWN = (of_split(TRAIN), of_split(EVAL), SERVING)
"""What histograms compare; validation is a sample of train's own spans."""
_TOP_WORDS = 8

Row: TypeAlias = list[str | float | None]


class _Shown(NamedTuple):
    """The statistics of one feature, by the data set that they describe; None where it has none."""

    name: str
    features: Mapping[str, Feature | None]

    @property
    def present(self) -> dict[str, Feature]:
        return {name: feature for name, feature in self.features.items() if feature is not None}


def describe(found: Described, schema: schema_pb2.Schema) -> Markup:
    """Draw the features of several data sets, in the schema's order and then by name."""
    sets = [name for name in _SHOWN if name in found.features]
    raw = {name: by_name(found.features[name]) for name in sets}
    extra = {name: by_name(found.derived[name]) if name in found.derived else {} for name in sets}
    known = [feature.name for feature in schema.feature if not derived.is_derived(feature)]
    others = sorted({name for features in raw.values() for name in features} - set(known))
    rows = []
    for name in known + others:
        shown = _Shown(name, {one: raw[one].get(name) for one in sets})
        rows += _rows(shown, extra, schema)
    names = [title(name) for name in sets]
    counts = ", ".join(f"{title(name)} {example_count(one):,}" for name, one in found.features.items())
    headers = [
        "feature",
        "distribution",
        *(f"missing in {name}" for name in names),
        *(f"{name} looks like" for name in names),
    ]
    return pictures.fragment("Data", f"Examples: {counts}.", pictures.legend(names), pictures.table(headers, rows))


def _rows(shown: _Shown, extra: Mapping[str, Mapping[str, Feature]], schema: schema_pb2.Schema) -> list[Row]:
    """One row for a feature; further ones for how many values it has, and for what is derived from it."""
    if not shown.present:
        return [[shown.name, pictures.muted("no value at all"), *[None] * (2 * len(shown.features))]]
    is_text, is_image = shown.name in derived.texts(schema), shown.name in derived.images(schema)
    if not (is_text or is_image):
        lengths = [_list_row(shown)] if _is_list(shown) else []
        return [_row(shown, _drawn(shown), _values), *lengths]
    numbers = (
        (derived.CHARACTERS, derived.WORD_COUNT) if is_text else (derived.WIDTH, derived.HEIGHT, derived.BRIGHTNESS)
    )
    first = _row(
        shown,
        pictures.muted("text: its lengths and words are below" if is_text else "image: its sizes are below"),
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


def _row(shown: _Shown, drawing: Markup, words: Callable[[Feature], str]) -> Row:
    gaps = [None if feature is None else f"{missing(feature):.1%}" for feature in shown.features.values()]
    return [shown.name, drawing, *gaps, *(None if one is None else words(one) for one in shown.features.values())]


def _drawn(shown: _Shown) -> Markup:
    """Draw the values of a feature; nothing where nearly every value is different."""
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
    """How many values a row has, where that is not always one."""
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
    """Say how many values there are and how long; the values themselves would say nothing."""
    if feature.WhichOneof("stats") == "bytes_stats":
        content = feature.bytes_stats  # TFDV counts no different values of bytes
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
