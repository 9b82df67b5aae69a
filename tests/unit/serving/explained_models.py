"""Small SavedModels to explain: of a text, of an image, of chance, and with a signature of their own."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

TEXT = [{"name": "text", "dtype": "string", "required": True, "content": "text"}]
IMAGE = [{"name": "image", "dtype": "string", "required": True, "content": "image"}]
TEXT_SPEC = [tf.TensorSpec([None], tf.string, "text")]
IMAGE_SPEC = [tf.TensorSpec([None], tf.string, "image")]
PAIR = [{"name": name, "dtype": "float", "required": True} for name in ("x", "y")]
PAIR_SPEC = [tf.TensorSpec([None], tf.float32, name) for name in ("x", "y")]


class Spam(tf.Module):
    """Adds .4 for `free`, .2 for `prize`, and .3 for both."""

    @tf.function(input_signature=TEXT_SPEC)
    def serve(self, text: Any) -> Any:
        has = [tf.cast(tf.strings.regex_full_match(text, f".*{word}.*"), tf.float32) for word in ("free", "prize")]
        score = 0.1 + 0.4 * has[0] + 0.2 * has[1] + 0.3 * has[0] * has[1]
        return {"predictions": score[:, tf.newaxis]}


class Bright(tf.Module):
    """Three outputs of an image of 4 x 4: its upper left pixel, its lower right, and the mean."""

    @tf.function(input_signature=IMAGE_SPEC)
    def serve(self, image: Any) -> Any:
        def decoded(content: Any) -> Any:
            return tf.ensure_shape(tf.io.decode_png(content, channels=1), [4, 4, 1])

        pixels = tf.cast(tf.map_fn(decoded, image, fn_output_signature=tf.uint8), tf.float32) / 255.0
        return {"predictions": tf.stack([pixels[:, 0, 0, 0], pixels[:, 3, 3, 0], tf.reduce_mean(pixels, [1, 2, 3])], 1)}


class Pair(tf.Module):
    """x times y; `noise` adds chance, as a model does that was exported as it is in training.

    Its signature `explain` gives x half of the product, and y what `wrong` leaves of the other.
    """

    def __init__(self, noise: float = 0.0, wrong: float = 0.0) -> None:
        super().__init__()
        self.noise, self.wrong = noise, wrong

    @tf.function(input_signature=PAIR_SPEC)
    def serve(self, x: Any, y: Any) -> Any:
        return {"predictions": (x * y + self.noise * tf.random.uniform(tf.shape(x)))[:, tf.newaxis]}

    @tf.function(input_signature=PAIR_SPEC)
    def explain(self, x: Any, y: Any) -> Any:
        return {"attributions": tf.stack([x * y / 2, x * y / 2 + self.wrong], axis=1), "base": tf.zeros_like(x)}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "examples")])
    def serve_examples(self, examples: Any) -> Any:
        parsed = tf.io.parse_example(examples, {name: tf.io.FixedLenFeature([], tf.float32) for name in ("x", "y")})
        return self.serve(**parsed)


def export(
    folder: Path,
    module: tf.Module,
    features: Sequence[dict[str, Any]],
    rows: Sequence[dict[str, Any]],
    **signatures: Any,
) -> Path:
    """Write a SavedModel with features and background rows; without `signatures`, `serve` is its only one."""
    tf.saved_model.save(module, str(folder), signatures=signatures or {"serving_default": module.serve})
    takes = "examples" if getattr(module, "serve_examples", None) in signatures.values() else "features"
    content = {"version": 2, "features": list(features), "label": "label", "task": "regression", "takes": takes}
    (folder / "assets.extra").mkdir()
    (folder / "assets.extra" / "features.json").write_text(json.dumps(content))
    if rows:
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / "assets.extra" / "background_rows.jsonl").write_text(lines)
    return folder


def png(pixels: Any) -> bytes:
    """Encode [height, width] of 0 to 255."""
    encoded: bytes = tf.io.encode_png(np.asarray(pixels, np.uint8)[..., np.newaxis]).numpy()
    return encoded
