"""The cells of an image as players: rectangles of its pixels, which a coalition has from one of two images."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from artifacts.explanations import png

Pixels = NDArray[Any]
"""[height, width, channels]."""


class Grid:
    """Cells of equal size over an image, so many that there are at most `most`."""

    def __init__(self, height: int, width: int, most: int) -> None:
        """Choose the smallest square cell that fits."""
        edge = 1
        while -(-height // edge) * -(-width // edge) > most:
            edge += 1
        self.shape = (-(-height // edge), -(-width // edge))
        rows, columns = np.arange(height) // edge, np.arange(width) // edge
        self.cell_of: NDArray[np.intp] = rows[:, np.newaxis] * self.shape[1] + columns
        """[height, width]: the cell of each pixel."""

    def __len__(self) -> int:
        return self.shape[0] * self.shape[1]


class Cells:
    """One image, and the background images that stand where its cells are left out."""

    def __init__(self, own: Pixels, background: Sequence[Pixels], most: int) -> None:
        """Fit the background images to the size and the channels of the explained one."""
        self.grid = Grid(own.shape[0], own.shape[1], most)
        self._images = np.stack([own, *(_fitted(other, own) for other in background)])

    def same(self) -> NDArray[np.bool_]:
        """Return whether each background image has the same pixels in each cell, [background images, cells]."""
        differs = (self._images[1:] != self._images[0]).any(axis=3).reshape(len(self._images) - 1, -1)
        cells = self.grid.cell_of.reshape(-1)
        counts = np.stack([np.bincount(cells, image, minlength=len(self.grid)) for image in differs])
        unchanged: NDArray[np.bool_] = counts == 0
        return unchanged

    def pixels(self, mask: NDArray[np.bool_], background: NDArray[np.intp]) -> Pixels:
        """Return an image for each coalition, [points, height, width, channels]."""
        kept = mask[:, self.grid.cell_of][..., np.newaxis]
        chosen: Pixels = np.where(kept, self._images[0], self._images[1 + background])
        return chosen

    def encoded(self, mask: NDArray[np.bool_], background: NDArray[np.intp]) -> NDArray[np.object_]:
        """Return an image for each coalition as PNG, [points] of bytes."""
        images = np.empty(len(mask), object)
        images[:] = [png.encode(image) for image in self.pixels(mask, background)]
        return images


Decode = Callable[[bytes], Pixels]
"""Reads an encoded image as uint8."""


def _fitted(image: Pixels, own: Pixels) -> Pixels:
    """Return an image in the size of another, by the nearest pixels, and with its channels."""
    height, width, channels = own.shape
    rows = np.arange(height) * image.shape[0] // height
    columns = np.arange(width) * image.shape[1] // width
    sized: Pixels = image[rows[:, np.newaxis], columns]
    if sized.shape[2] == channels:
        return sized
    gray = sized[..., :3].mean(axis=2, keepdims=True).astype(own.dtype)
    return np.repeat(gray, channels, axis=2)
