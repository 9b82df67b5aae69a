"""Derives size in bytes and pixels and brightness from images, and makes thumbnails for the report."""

import base64
from typing import Any, NamedTuple

import pyarrow_hotfix  # noqa: F401
import pyarrow as pa
import pyarrow.compute as pc

_THUMBNAIL = 64
"""Longest side in pixels."""


class Sizes(NamedTuple):
    """One number per image, [images]; width, height and brightness are null for an image that cannot be decoded."""

    bytes: pa.Array
    width: pa.Array
    height: pa.Array
    brightness: pa.Array


def sizes(values: pa.Array) -> Sizes:
    """Measure encoded images (PNG, JPEG, GIF, BMP); brightness is the mean of all pixels and channels, 0 to 1."""
    widths: list[int | None] = []
    heights: list[int | None] = []
    means: list[float | None] = []
    for value in values.to_pylist():
        pixels = _pixels(value)
        widths.append(None if pixels is None else int(pixels.shape[1]))
        heights.append(None if pixels is None else int(pixels.shape[0]))
        means.append(None if pixels is None else float(pixels.mean()) / 255)
    return Sizes(
        bytes=pc.cast(pc.binary_length(values), pa.int64()),
        width=pa.array(widths, pa.int64()),
        height=pa.array(heights, pa.int64()),
        brightness=pa.array(means, pa.float32()),
    )


def is_image(value: bytes) -> bool:
    """Whether the first bytes of a value are those of a PNG, JPEG, GIF or BMP image."""
    return value.startswith((b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF8", b"BM"))


def thumbnail(value: bytes) -> str | None:
    """Return an image as a small PNG in a data URI, or None when it cannot be decoded."""
    import tensorflow as tf  # noqa: PLC0415 - only data with images needs it

    pixels = _pixels(value)
    if pixels is None:
        return None
    scale = _THUMBNAIL / max(pixels.shape[:2])
    if scale < 1:
        size = [max(1, round(side * scale)) for side in pixels.shape[:2]]
        pixels = tf.cast(tf.image.resize(pixels, size, method="area"), tf.uint8).numpy()
    encoded = tf.io.encode_png(pixels[..., :3] if pixels.shape[2] > 3 else pixels).numpy()
    return f"data:image/png;base64,{base64.b64encode(encoded).decode()}"


def _pixels(value: bytes) -> Any:
    """Decode an image to an array of [height, width, channels] of bytes, or None."""
    import tensorflow as tf  # noqa: PLC0415

    try:
        return tf.io.decode_image(value, expand_animations=False).numpy()
    except tf.errors.InvalidArgumentError:
        return None
