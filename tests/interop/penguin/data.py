"""Puts TFX's own examples of penguins where the pipeline looks for them: its split train is span 1, eval is span 2."""

from pathlib import Path

from artifacts.spans.delivery import deliver, missing_spans, package_file

SPLITS = {1: "train", 2: "eval"}
PATTERN = "penguins-{SPAN}.gz"


def write_spans(folder: Path) -> None:
    """Write the files of tf.Examples that are not there yet; DataError when TFX is missing."""
    if missing := missing_spans(folder, PATTERN, SPLITS):
        deliver(folder, PATTERN, missing, _examples)


def _examples(span: int) -> bytes:
    name = f"components/testdata/penguin/data/Split-{SPLITS[span]}/data_tfrecord-00000-of-00001.gz"
    return package_file("tfx", name).read_bytes()
