"""The parts of texts and images: together they are the whole, byte for byte."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from artifacts.explanations.cells import Cells, Grid
from artifacts.explanations.words import Words


@given(st.binary(max_size=200), st.integers(1, 10))
def test_all_words_together_are_the_text(text: bytes, most: int) -> None:
    words = Words(text, most)
    assert len(words.pieces) <= most
    assert words.without(np.ones((1, len(words.pieces)), bool))[0] == text


def test_a_word_takes_its_space_along() -> None:
    words = Words(b" win a  prize\n", 10)
    assert words.names == ("win", "a", "prize")
    kept = np.array([[True, False, True], [False, False, False]])
    assert words.without(kept).tolist() == [b" win prize\n", b" "]


def test_scripts_without_spaces_are_cut_into_characters() -> None:
    assert Words("垃圾郵件 free".encode(), 10).names == ("垃", "圾", "郵", "件", "free")


def test_many_words_share_pieces() -> None:
    assert Words(b"one two three four five", 2).names == ("one two three", "four five")


@pytest.mark.parametrize(("height", "width", "most"), [(8, 8, 64), (28, 28, 64), (5, 9, 4), (1, 1, 1), (300, 200, 64)])
def test_a_grid_covers_the_image(height: int, width: int, most: int) -> None:
    grid = Grid(height, width, most)
    assert len(grid) <= most
    assert set(np.unique(grid.cell_of)) == set(range(len(grid)))


def test_a_coalition_has_cells_of_both_images() -> None:
    own, other = np.full((4, 4, 1), 200, np.uint8), np.zeros((2, 2, 3), np.uint8)
    cells = Cells(own, [other], 4)
    mask = np.array([[True, False, False, True], [True] * 4])
    mixed = cells.pixels(mask, np.zeros(2, np.intp))
    assert mixed[0, ..., 0].tolist() == [[200, 200, 0, 0], [200, 200, 0, 0], [0, 0, 200, 200], [0, 0, 200, 200]]
    assert (mixed[1] == own).all()
    assert not cells.same().any()
    assert Cells(own, [own.copy()], 4).same().all()


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_png_keeps_every_pixel(channels: int) -> None:
    image = pytest.importorskip("PIL.Image")
    import io

    pixels = np.random.default_rng(channels).integers(0, 256, (5, 7, channels), np.uint8)
    cells = Cells(pixels, [pixels], 64)
    encoded = cells.encoded(np.ones((1, 35), bool), np.zeros(1, np.intp))[0]
    assert (np.asarray(image.open(io.BytesIO(encoded))).reshape(pixels.shape) == pixels).all()
