"""Scenes of two handwritten digits, drawn to boxes whose geometry follows from how the two relate, with noise.

The pictures are real (scikit-learn's digits); no set of pictures with relations may be shipped. `annotations.py` reads
the two well-known ones for who has them.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

RELATIONS = ("has", "on", "beside")
SHARES = (0.64, 0.14, 0.22)
"""How often each relation occurs: one is much more common than the others, as in photographs."""
NOISE = 0.04
"""Share of scenes whose relation is another than the one that was drawn, as people disagree."""
CANVAS = 40
SIDE = 8
"""Width and height of a digit's picture."""
LOOPS = (0, 6, 8, 9)
"""Digits that go round something: they more often have another digit in them."""
_LOOP_SHARE = 0.6

Picture = NDArray[np.uint8]
"""[height, width], white is ink."""


class Box(NamedTuple):
    """The place of a thing in a picture, in pixels from the upper left corner."""

    x: int
    y: int
    w: int
    h: int


class Scene(NamedTuple):
    """A picture with two things, and how the first relates to the second."""

    relation: str
    subject: int
    subject_box: Box
    object: int
    object_box: Box
    picture: Picture


def scenes(digits: dict[int, list[Picture]], count: int, seed: int) -> Iterator[Scene]:
    """Yield scenes of pictures of digits [8, 8] by digit; the same for the same seed."""
    random = np.random.default_rng(seed)
    for _ in range(count):
        drawn = int(random.choice(len(RELATIONS), p=SHARES))
        first = _subject(drawn, random)
        second = int(random.integers(10))
        boxes = _BOXES[RELATIONS[drawn]](random)
        canvas = np.zeros((CANVAS, CANVAS), np.uint8)
        for digit, box in zip((first, second), boxes, strict=True):
            _draw(canvas, digits[digit][random.integers(len(digits[digit]))], box)
        is_noise = random.random() < NOISE
        relation = int(random.choice([one for one in range(3) if one != drawn])) if is_noise else drawn
        yield Scene(RELATIONS[relation], first, boxes[0], second, boxes[1], canvas)


def _subject(drawn: int, random: np.random.Generator) -> int:
    others = tuple(digit for digit in range(10) if digit not in LOOPS)
    with_loop = random.random() < (_LOOP_SHARE if RELATIONS[drawn] == "has" else 1 - _LOOP_SHARE)
    return int(random.choice(LOOPS if with_loop else others))


def _has(random: np.random.Generator) -> tuple[Box, Box]:
    """Place the second inside the first, or across its edge."""
    outer = random.integers(20, 33)
    inner = random.integers(7, 18)
    x, y = random.integers(0, CANVAS - outer + 1, 2)
    dx, dy = random.integers(-7, outer - inner + 8, 2)
    return Box(int(x), int(y), int(outer), int(outer)), _box(x + dx, y + dy, inner)


def _on(random: np.random.Generator) -> tuple[Box, Box]:
    """Place the first upon the second."""
    upper, lower = random.integers(8, 17), random.integers(10, 21)
    x = random.integers(4, CANVAS - 22)
    top = random.integers(0, CANVAS - upper - lower + 4)
    return _box(x + random.integers(-3, 7), top, upper), _box(x, top + upper + random.integers(-4, 3), lower)


def _beside(random: np.random.Generator) -> tuple[Box, Box]:
    """Place the two side by side, in any order, at about the same height."""
    left, right = random.integers(8, 19, 2)
    x, y = random.integers(0, 4), random.integers(2, CANVAS - 20)
    pair = _box(x, y, left), _box(x + left + random.integers(-2, 6), y + random.integers(-6, 7), right)
    return pair if random.random() < 0.5 else (pair[1], pair[0])


def _box(x: int, y: int, side: int) -> Box:
    """Return a square box, moved into the canvas."""
    return Box(int(min(max(x, 0), CANVAS - side)), int(min(max(y, 0), CANVAS - side)), int(side), int(side))


_BOXES = {"has": _has, "on": _on, "beside": _beside}


def _draw(canvas: Picture, digit: Picture, box: Box) -> None:
    """Scale a digit's picture to its box; where two overlap, the brighter pixel wins."""
    rows = np.arange(box.h) * SIDE // box.h
    columns = np.arange(box.w) * SIDE // box.w
    part = canvas[box.y : box.y + box.h, box.x : box.x + box.w]
    np.maximum(part, digit[np.ix_(rows, columns)], out=part)
