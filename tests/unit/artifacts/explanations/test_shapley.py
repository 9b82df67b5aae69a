"""Shapley values add up, are the exact ones for few players, and come near them for many."""

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from artifacts.explanations.shapley import Attributed, Effort, Game, attribute, is_exact, starts

Model = Callable[[NDArray[Any]], NDArray[np.float64]]


def explain(model: Model, row: NDArray[Any], background: NDArray[Any], effort: Effort = Effort()) -> Attributed:  # noqa: B008
    """Explain a model of plain columns: [points, columns] -> [points, outputs]."""

    def evaluate(mask: NDArray[np.bool_], other: NDArray[np.intp]) -> NDArray[np.float64]:
        return model(np.where(mask, row, background[other]))

    game = Game(model(background), background == row)
    return attribute(game, effort, evaluate)


def enumerated(model: Model, row: NDArray[Any], background: NDArray[Any]) -> NDArray[np.float64]:
    """Shapley's formula, written down over all subsets."""
    players = len(row)

    def worth(coalition: tuple[int, ...]) -> NDArray[np.float64]:
        mixed = background.copy()
        mixed[:, list(coalition)] = row[list(coalition)]
        return model(mixed).mean(axis=0)

    values = []
    for player in range(players):
        others = [other for other in range(players) if other != player]
        total: Any = 0.0
        for size in range(players):
            weight = math.factorial(size) * math.factorial(players - size - 1) / math.factorial(players)
            for coalition in itertools.combinations(others, size):
                total = total + weight * (worth((*coalition, player)) - worth(coalition))
        values.append(total)
    return np.array(values)


def crossed(rows: NDArray[Any]) -> NDArray[np.float64]:
    """Two outputs, with an effect of two columns together; the last column is not used."""
    x = rows.astype(np.float64)
    first = 1 / (1 + np.exp(-(x[:, 0] * x[:, 1] + np.sin(x[:, 2]))))
    return np.stack([first, x[:, 1] ** 2 - x[:, 0]], axis=1)


ROW = np.array([1.5, -2.0, 0.3, 9.0])
BACKGROUND = np.random.default_rng(3).normal(size=(7, 4))


def test_few_players_get_the_values_of_shapleys_formula() -> None:
    found = explain(crossed, ROW, BACKGROUND)
    assert found.is_exact
    assert found.values == pytest.approx(enumerated(crossed, ROW, BACKGROUND), abs=1e-12)


def test_walks_come_near_the_exact_values_and_give_an_unused_player_nothing() -> None:
    row, background = np.tile(ROW, 2), np.random.default_rng(4).normal(size=(32, 8))

    def model(rows: NDArray[Any]) -> NDArray[np.float64]:
        return crossed(rows[:, :4])

    found = explain(model, row, background, Effort(pairs=512, evaluations=100_000))
    assert not found.is_exact
    exact = enumerated(crossed, ROW, background[:, :4])
    assert found.values[:4] == pytest.approx(exact, abs=0.15)
    assert np.abs(found.values[3]).max() < 1e-15
    assert (found.values[4:] == 0).all()


@given(
    players=st.integers(1, 14),
    rows=st.integers(1, 9),
    pairs=st.integers(1, 20),
    seed=st.integers(0, 1000),
)
def test_parts_always_add_up_to_the_score(players: int, rows: int, pairs: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    weights = random.normal(size=(players, players))
    background, row = random.integers(0, 3, (rows, players)), random.integers(0, 3, players)

    def model(x: NDArray[Any]) -> NDArray[np.float64]:
        return np.stack([np.tanh((x @ weights * x).sum(axis=1)), x.sum(axis=1)], axis=1).astype(np.float64)

    effort = Effort(pairs, 4096, seed)
    found = explain(model, row, background, effort)
    base = model(background)[starts(players, rows, effort)].mean(axis=0)
    assert base + found.values.sum(axis=0) == pytest.approx(model(row[np.newaxis])[0], abs=1e-9)
    unchanged = (background == row).all(axis=0)
    assert (found.values[unchanged] == 0).all()


def test_evaluations_are_bounded_and_equal_values_cost_none() -> None:
    background = np.zeros((16, 40))
    row = np.concatenate([np.ones(4), np.zeros(36)])
    seen = []

    def model(rows: NDArray[Any]) -> NDArray[np.float64]:
        seen.append(len(rows))
        return rows.sum(axis=1, keepdims=True)

    found = explain(model, row, background, Effort(pairs=1000, evaluations=2000))
    assert found.values[:, 0] == pytest.approx(row)
    assert found.evaluations == seen[-1] <= 1 + 2000 * 4 / 40
    all_differ = explain(model, np.ones(40), background, Effort(pairs=1000, evaluations=2000))
    assert all_differ.evaluations <= 2001


def test_the_same_row_is_explained_in_the_same_way() -> None:
    row, background = np.arange(12.0), np.random.default_rng(1).normal(size=(32, 12))

    def model(rows: NDArray[Any]) -> NDArray[np.float64]:
        return np.prod(np.tanh(rows), axis=1, keepdims=True)

    first, second = (explain(model, row, background).values for _ in range(2))
    assert (first == second).all()
    assert (explain(model, row, background, Effort(seed=1)).values != first).any()


def test_exactness_is_a_matter_of_evaluations() -> None:
    assert is_exact(6, 32)
    assert not is_exact(7, 32)
    assert is_exact(11, 1)
