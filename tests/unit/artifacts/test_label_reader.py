"""Labels are read as the model was trained on them, or it is said why they cannot be."""

from pathlib import Path

import pyarrow_hotfix  # noqa: F401
import pyarrow as pa
import pytest
import tensorflow as tf

from artifacts.predictions.labels import LabelReader
from artifacts.predictions.split import Block
from core.errors import DataError
from problems.labels import TrainedLabel


def test_text_that_nobody_numbered_is_refused_with_the_key_that_says_how(tmp_path: Path) -> None:
    words = pa.array([[b"yes"], [b"no"]], pa.large_list(pa.large_binary()))
    block = Block(tf.constant([b"", b""]), pa.RecordBatch.from_arrays([words], ["late"]))
    read = LabelReader(TrainedLabel("late", "binary_classification"), 2, tmp_path)
    with pytest.raises(DataError, match=r"got text \('yes', 'no'\).*train_model\.run_fn\.label"):
        read(block)
    named = TrainedLabel("late", "binary_classification", classes=("no", "yes"))
    assert LabelReader(named, 2, tmp_path)(block).tolist() == [1.0, 0.0]
