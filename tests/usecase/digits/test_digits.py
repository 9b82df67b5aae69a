"""A picture is a PNG that others can read, whose pixels are the digit's, and the weight of the pen follows from it."""

from pathlib import Path

import pyarrow_hotfix  # noqa: F401
import numpy as np
import pyarrow.parquet as pq
import pytest
import tensorflow as tf

from usecases.digits import module
from usecases.digits.data import HEAVY, LIGHT, PATTERN, SPANS, png, write_spans


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("digits")
    write_spans(folder)
    return folder


def test_the_deliveries_hold_every_digit_as_scikit_learn_has_it(folder: Path) -> None:
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    rows = [row for span in SPANS for row in pq.read_table(folder / PATTERN.replace("{SPAN}", str(span))).to_pylist()]
    assert [row["digit"] for row in rows] == labels.tolist()
    for at in (0, 500, 1796):
        decoded = tf.io.decode_png(rows[at]["image"]).numpy().reshape(-1)
        assert decoded.tolist() == (images[at].astype(int) * 255 // 16).tolist()
        share = images[at].sum() / (64 * 16)
        assert rows[at]["ink"] == ("light" if share < LIGHT else "medium" if share < HEAVY else "heavy")


def test_a_picture_of_another_size_or_format_is_read_too() -> None:
    white = np.full((32, 24, 3), 255, np.uint8)
    pictures = [png([255] * 64, 8), tf.io.encode_jpeg(white).numpy(), tf.io.encode_png(white).numpy()]
    pixels = module.preprocessing_fn({"image": tf.constant(pictures)[:, None], "digit": tf.constant([[1]] * 3)})[
        "pixels"
    ]
    assert pixels.shape == (3, 64)
    assert np.allclose(pixels, 1.0, atol=0.01)
