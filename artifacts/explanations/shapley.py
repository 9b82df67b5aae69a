"""Shapley values of the players of one row: exact for a few of them, else from sampled antithetic walks.

A player is a feature, a word or a cell of an image. A coalition has some players as in the explained row; the others
come from a background row. A walk begins with a background row and lets one player after the other join, in a random
order; what the score changes by is that player's part. Its antithetic twin lets them join in the opposite order.
"""

from collections.abc import Callable
from functools import cache, lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.float64]
"""[rows, outputs]."""
Mask = NDArray[np.bool_]
Evaluate = Callable[[Mask, NDArray[np.intp]], Scores]
"""Scores coalitions: `[points, players]`, true where a player is as in the explained row, and the background row of
each point."""
_PART_EVALUATIONS = 1024
EXACT_EVALUATIONS = 2048
"""Coalitions are enumerated where that takes at most this many evaluations."""


class Effort(NamedTuple):
    """How much is computed for one row."""

    pairs: int = 64
    """Antithetic pairs of walks; fewer where there are so many players that `evaluations` would be exceeded."""
    evaluations: int = 4096
    """Most rows that the model scores for one explained row."""
    seed: int = 0

    def of_parts(self) -> "Effort":
        """Return a smaller one for texts and images: models of them take longer, and their parts matter less each."""
        return self._replace(evaluations=min(self.evaluations, _PART_EVALUATIONS))


class Game(NamedTuple):
    """What is divided among the players: from the base to the score of the coalition of all."""

    base: Scores
    """[background rows, outputs]: their scores."""
    same: Mask
    """[background rows, players]: whether the background row has the player's value already, so nothing can change."""


class Attributed(NamedTuple):
    """The parts of the players, and what they took."""

    values: Scores
    """[players, outputs]."""
    evaluations: int
    is_exact: bool


class Walks(NamedTuple):
    """The walks of some players from some background rows."""

    background: NDArray[np.intp]
    """[walks]: the row that each walk begins with."""
    order: NDArray[np.intp]
    """[walks, players]: who joins one after the other."""
    place: NDArray[np.intp]
    """[walks, players]: when each player joins."""
    joined: Mask
    """[walks, players, players]: who has joined after each step."""


def is_exact(players: int, background: int) -> bool:
    """Whether all coalitions are evaluated."""
    return players < 20 and 2**players * background <= EXACT_EVALUATIONS


def attribute(game: Game, effort: Effort, evaluate: Evaluate) -> Attributed:
    """Divide a score among the players; their parts and the mean of the base add up to the score, but for rounding."""
    rows, players = game.same.shape
    if not players:
        return Attributed(np.zeros((0, game.base.shape[1])), 0, is_exact=True)
    if is_exact(players, rows):
        return _exact(game, evaluate)
    return _walked(game, walks(players, rows, effort), evaluate)


@lru_cache(64)
def walks(players: int, rows: int, effort: Effort) -> Walks:
    """Draw the walks; every background row begins equally many, so that the mean of their starts is that of all."""
    pairs = max(1, min(effort.pairs, effort.evaluations // (2 * max(players - 1, 1))))
    pairs = max(1, pairs // rows) * rows if pairs >= rows else pairs
    random = np.random.default_rng((effort.seed, players))
    forth = np.argsort(random.random((pairs, players)), axis=1)
    order = np.concatenate([forth, forth[:, ::-1]])
    background = np.tile(np.resize(np.arange(rows), pairs), 2)
    place = np.argsort(order, axis=1)
    joined = place[:, np.newaxis, :] <= np.arange(players)[:, np.newaxis]
    return Walks(background, order, place, joined)


def starts(players: int, rows: int, effort: Effort) -> NDArray[np.intp]:
    """Return the background rows that the base is the mean of."""
    return np.arange(rows) if is_exact(players, rows) else np.unique(walks(players, rows, effort).background)


def _walked(game: Game, walks: Walks, evaluate: Evaluate) -> Attributed:
    count, players = walks.order.shape
    changes = ~game.same[walks.background[:, np.newaxis], walks.order]
    steps = np.arange(1, players + 1)
    newest = np.maximum.accumulate(np.where(changes, steps, 0), axis=1)
    # From the last change on, a walk is at the explained row, whose score is known.
    last = newest[:, -1:]
    wanted = changes & (steps < last)
    path = np.zeros((count, players + 1, game.base.shape[1]))
    path[:, 0] = game.base[walks.background]
    walk, step = np.nonzero(wanted)
    # The explained row itself is evaluated last, in the same batch.
    walk, step = np.append(walk, 0), np.append(step, players - 1)
    scores = evaluate(walks.joined[walk, step], walks.background[walk])
    path[walk[:-1], step[:-1] + 1] = scores[:-1]
    path[:, 1:] = path[np.arange(count)[:, np.newaxis], newest]
    path[:, 1:][steps >= np.maximum(last, 1)] = scores[-1]
    gained = np.diff(path, axis=1)
    values = np.take_along_axis(gained, walks.place[:, :, np.newaxis], axis=1).mean(axis=0)
    return Attributed(values, len(walk), is_exact=False)


def _exact(game: Game, evaluate: Evaluate) -> Attributed:
    rows, players = game.same.shape
    masks, weights = _coalitions(players)
    inner = len(masks) - 2
    scores = evaluate(
        np.append(np.repeat(masks[1:-1], rows, axis=0), masks[-1:], axis=0),
        np.append(np.tile(np.arange(rows), inner), 0),
    )
    worth = np.empty((len(masks), game.base.shape[1]))
    worth[0], worth[-1] = game.base.mean(axis=0), scores[-1]
    worth[1:-1] = scores[:-1].reshape(inner, rows, game.base.shape[1]).mean(axis=1)
    numbers = np.arange(len(masks))
    values = np.empty((players, game.base.shape[1]))
    for player in range(players):
        without = numbers[~masks[:, player]]
        gained = worth[without + 2**player] - worth[without]
        values[player] = weights[masks[without].sum(axis=1)] @ gained
    values[game.same.all(axis=0)] = 0.0
    return Attributed(values, len(scores), is_exact=True)


@cache
def _coalitions(players: int) -> tuple[Mask, NDArray[np.float64]]:
    """Return all coalitions, [2**players, players], and the weight of a coalition by its size."""
    masks = (np.arange(2**players)[:, np.newaxis] >> np.arange(players)) & 1 == 1
    weights = np.ones(players)
    for size in range(1, players):
        weights[size] = weights[size - 1] * size / (players - size)
    return masks, weights / players


def mean_absolute(values: NDArray[Any]) -> NDArray[np.float64]:
    """Return the importance of each player, [players], from values [rows, players, outputs]."""
    absolute: NDArray[np.float64] = np.abs(values).mean(axis=(0, 2))
    return absolute
