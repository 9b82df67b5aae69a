"""Small models whose predictions tell them apart."""

import json
from pathlib import Path
from typing import Any

ROW = {"hour": 17, "distance": 1089.0}
_FEATURES = {
    "features": [
        {"name": "hour", "dtype": "int", "required": True},
        {"name": "distance", "dtype": "float", "required": True},
    ],
    "label": "late",
    "task": "binary_classification",
}
_UNITS = 256


def export(folder: Path, biases: list[float]) -> None:
    """Write a SavedModel for each bias to `folder/<number>`, with the value for `ROW` in `folder/<number>.json`."""
    import tensorflow as tf

    class Model(tf.Module):  # type: ignore[misc]
        def __init__(self, bias: float) -> None:
            super().__init__()
            self.bias = tf.Variable(bias)
            self.layers = [tf.Variable(tf.random.stateless_normal([_UNITS, _UNITS], [1, 2]) / _UNITS) for _ in range(4)]

        @tf.function(  # type: ignore[untyped-decorator]
            input_signature=[tf.TensorSpec([None], tf.int64, "hour"), tf.TensorSpec([None], tf.float32, "distance")]
        )
        def serve(self, hour: Any, distance: Any) -> Any:
            hidden = tf.tile((tf.cast(hour, tf.float32) / 24.0 + distance / 5000.0)[:, tf.newaxis], [1, _UNITS])
            for layer in self.layers:
                hidden = tf.tanh(hidden @ layer)
            return {"predictions": tf.sigmoid(self.bias + tf.reduce_mean(hidden, axis=1, keepdims=True))}

    for number, bias in enumerate(biases):
        model, path = Model(bias), folder / str(number)
        tf.saved_model.save(model, str(path), signatures={"serving_default": model.serve})
        extra = path / "assets.extra"
        extra.mkdir()
        (extra / "features.json").write_text(json.dumps(_FEATURES), encoding="utf-8")
        (extra / "warm_up_rows.jsonl").write_text(json.dumps(ROW) + "\n", encoding="utf-8")
        value = model.serve(tf.constant([ROW["hour"]], tf.int64), tf.constant([ROW["distance"]]))["predictions"]
        (folder / f"{number}.json").write_text(json.dumps(float(value[0, 0])), encoding="utf-8")
