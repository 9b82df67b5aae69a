"""Derives length and words from texts.

A word is a run of letters, digits and apostrophes, in lower case; languages without spaces have long ones.
"""

from collections import Counter

import pyarrow_hotfix  # noqa: F401
import pyarrow as pa
import pyarrow.compute as pc

_NO_WORD = r"[^\pL\pN']+"


def decoded(values: pa.Array) -> pa.Array:
    """Decode UTF-8; invalid bytes become the replacement character."""
    try:
        return pc.cast(values, pa.large_string())
    except pa.ArrowInvalid:
        return pa.array([value.decode(errors="replace") for value in values.to_pylist()], pa.large_string())


def characters(texts: pa.Array) -> pa.Array:
    """Count the characters of each text."""
    return pc.cast(pc.utf8_length(texts), pa.int64())


def words(texts: pa.Array) -> pa.Array:
    """Split each text into a list of its words, which may be empty."""
    lowered = pc.utf8_lower(texts)
    trimmed = pc.replace_substring_regex(lowered, rf"^{_NO_WORD}|{_NO_WORD}$", "")
    return pc.if_else(
        pc.equal(trimmed, ""),
        pa.scalar([], pa.list_(pa.large_string())),
        pc.split_pattern_regex(trimmed, _NO_WORD),
    )


def word_count(found: pa.Array) -> pa.Array:
    """Count the words of each text."""
    return pc.cast(pc.list_value_length(found), pa.int64())


def counted(found: pa.Array) -> Counter[str]:
    """Count how often each word occurs."""
    counts = pc.value_counts(found.flatten())
    return Counter(dict(zip(counts.field("values").to_pylist(), counts.field("counts").to_pylist(), strict=True)))
