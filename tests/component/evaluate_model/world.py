"""A small world with a known truth: rows as ingest_examples leaves them, and models with planted faults."""

import gzip
import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import tensorflow as tf

from artifacts.examples.manifest import ExamplesManifest, Shard
from artifacts.examples.tfrecord import FOOTER, HEADER, masked_crc
from core import digest

SCHEMA = """
feature { name: "late" type: INT int_domain { min: 0 max: 1 is_categorical: true } }
feature { name: "carrier" type: BYTES }
feature { name: "hour" type: INT }
feature { name: "wind" type: FLOAT }
feature { name: "load" type: FLOAT }
"""
CARRIERS = ("AA", "DL", "UA", "B6")
SPEC = {
    "carrier": tf.io.FixedLenFeature([], tf.string, ""),
    "hour": tf.io.FixedLenFeature([], tf.int64, -1),
    "wind": tf.io.FixedLenFeature([], tf.float32, 0.0),
    "load": tf.io.FixedLenFeature([], tf.float32, 0.0),
}


@dataclass
class Rows:
    """Columns of the world; `load` matters most, `wind` is sometimes missing."""

    carrier: np.ndarray
    hour: np.ndarray
    wind: np.ndarray
    load: np.ndarray
    late: np.ndarray
    extra: dict[str, np.ndarray] = field(default_factory=dict)

    def examples(self) -> list[bytes]:
        return [self._example(row) for row in range(len(self.late))]

    def _example(self, row: int) -> bytes:
        example = tf.train.Example()
        feature = example.features.feature
        feature["carrier"].bytes_list.value.append(self.carrier[row].encode())
        feature["hour"].int64_list.value.append(int(self.hour[row]))
        feature["load"].float_list.value.append(float(self.load[row]))
        if np.isfinite(self.wind[row]):
            feature["wind"].float_list.value.append(float(self.wind[row]))
        for name, values in self.extra.items():
            feature[name].float_list.value.append(float(values[row]))
        label = self.late[row].item()
        kind = {bytes: "bytes_list", float: "float_list", int: "int64_list"}[type(label)]
        getattr(feature["late"], kind).value.append(label)
        return example.SerializeToString()


def rows(count: int, seed: int) -> Rows:
    random = np.random.default_rng(seed)
    carrier = random.choice(CARRIERS, count, p=(0.4, 0.3, 0.2, 0.1))
    hour = random.integers(5, 23, count)
    wind, load = random.normal(size=count), random.normal(size=count)
    logit = 1.4 * load + 0.5 * wind + 0.05 * (hour - 14) - 0.5
    late = (random.random(count) < 1 / (1 + np.exp(-logit))).astype(np.int64)
    return Rows(carrier, hour, np.where(random.random(count) < 0.2, np.nan, wind), load, late)


def write_examples(folder: Path, train: Rows, evaluated: Rows, schema: str = SCHEMA) -> Path:
    """Lay two splits out as ingest_examples does, and the schema beside them."""
    shards = []
    for split, part in (("train", train), ("eval", evaluated)):
        name = f"Split-{split}/span-00001-00000-of-00001.gz"
        (folder / name).parent.mkdir(parents=True)
        records = part.examples()
        with gzip.open(folder / name, "wb", compresslevel=1) as stream:
            for record in records:
                header = HEADER.pack(len(record), 0)[:8]
                stream.write(header + FOOTER.pack(masked_crc(header)) + record + FOOTER.pack(masked_crc(record)))
        shards.append(Shard(name=name, split=split, span=1, records=len(records), sha256=digest.of_file(folder / name)))
    (folder / "schema.pbtxt").write_text(schema)
    ExamplesManifest(
        source="test", data="sha256:0", spans=(1,), wanted_spans=1, split_by="hash", rejected=0, shards=tuple(shards)
    ).write(folder)
    return folder


@dataclass(frozen=True)
class Planted:
    """How a model scores: the truth's own logit, bent."""

    load: float = 1.4
    wind: float = 0.5
    bad_carrier: str = ""
    """Scores of this carrier are turned around."""
    constant: bool = False
    nan: bool = False
    leak: str = ""
    """A feature that is added with a large weight."""


class Model(tf.Module):
    """Stands for an exported model: `regress` over serialized tf.Examples."""

    def __init__(self, planted: Planted, signature: str = "regress") -> None:
        super().__init__()
        self.planted, self.name_of_signature = planted, signature
        # A weight that is not finite, as a diverged training leaves it.
        self.scale = tf.Variable(float("nan") if planted.nan else 1.0)

    def score(self, serialized: tf.Tensor) -> tf.Tensor:
        planted = self.planted
        spec = SPEC | ({planted.leak: tf.io.FixedLenFeature([], tf.float32, 0.0)} if planted.leak else {})
        parsed = tf.io.parse_example(serialized, spec)
        logit = (
            planted.load * parsed["load"]
            + planted.wind * parsed["wind"]
            + 0.05 * (tf.cast(parsed["hour"], tf.float32) - 14)
            - 0.5
        )
        if planted.bad_carrier:
            logit = tf.where(parsed["carrier"] == planted.bad_carrier, -logit, logit)
        if planted.leak:
            logit += 8 * (parsed[planted.leak] - 0.5)
        return tf.sigmoid((0.0 if planted.constant else 1.0) * logit) * self.scale

    def save(self, folder: Path) -> Path:
        """Export under `Format-Serving/`, as train_model does."""
        argument = tf.TensorSpec([None], tf.string, name="examples")
        function = tf.function(lambda examples: {"outputs": self.score(examples)}, input_signature=[argument])
        tf.saved_model.save(self, str(folder / "Format-Serving"), signatures={self.name_of_signature: function})
        return folder


def read(path: Path) -> dict:
    return json.loads(path.read_text())
