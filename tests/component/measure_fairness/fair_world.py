"""Applicants of two sexes and three races, and models that favour a sex by a planted amount, or not at all."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow_hotfix  # noqa: F401
import numpy as np
import pyarrow as pa
import tensorflow as tf

from tests.written_examples import write_examples

SCHEMA = """
feature { name: "granted" type: INT int_domain { min: 0 max: 1 is_categorical: true } }
feature { name: "worth" type: FLOAT shape { dim { size: 1 } } presence { min_fraction: 1 } }
feature { name: "sex" type: BYTES not_in_environment: "SERVING" }
feature { name: "race" type: BYTES not_in_environment: "SERVING" }
default_environment: "TRAINING"
default_environment: "SERVING"
"""
SPEC = {
    "worth": tf.io.FixedLenFeature([], tf.float32),
    "sex": tf.io.FixedLenFeature([], tf.string, ""),
}


def applicants(count: int, seed: int) -> dict[str, Any]:
    """Return columns: the label follows `worth` alone, which is the same for every group."""
    random = np.random.default_rng(seed)
    worth = random.normal(size=count)
    return {
        "granted": (random.random(count) < 1 / (1 + np.exp(-2 * worth))).astype(np.int64),
        "worth": worth.astype(np.float32),
        "sex": random.choice(["f", "m"], count, p=(0.4, 0.6)),
        "race": random.choice(["a", "b", "c"], count, p=(0.7, 0.28, 0.02)),
    }


def write(folder: Path, columns: dict[str, Any], schema: str = SCHEMA) -> Path:
    """Write the rows as the splits `train` and `eval`, and the schema beside them; returns the folder."""
    table = pa.table(columns)
    write_examples(folder, {"train": table, "eval": table})
    (folder / "schema.pbtxt").write_text(schema)
    return folder


@dataclass(frozen=True)
class Favour:
    """How much a model adds to the logit of one sex."""

    sex: str = "m"
    by: float = 0.0


class Model(tf.Module):
    """Stands for an exported model: `regress` over serialized tf.Examples."""

    def __init__(self, favour: Favour) -> None:
        super().__init__()
        self.favour = favour

    def save(self, folder: Path) -> Path:
        """Export under `Format-Serving/`, as train_model does."""

        def score(examples: tf.Tensor) -> dict[str, tf.Tensor]:
            parsed = tf.io.parse_example(examples, SPEC)
            favoured = tf.cast(parsed["sex"] == self.favour.sex, tf.float32)
            return {"outputs": tf.sigmoid(2 * parsed["worth"] + self.favour.by * favoured)}

        function = tf.function(score, input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
        tf.saved_model.save(self, str(folder / "Format-Serving"), signatures={"regress": function})
        return folder
