"""Explanations, measured: latency and completeness of our Shapley values, and shap's KernelExplainer beside them.

    python -m benchmarks.explanations [--usecase flight_delay] [--rows 20]

Explains rows of the use case's sample with its model in production, each as a server does. Where shap is installed
(group `peers`), it explains the same rows with the same background, and as many rows scored by the same model.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from artifacts.explanations.shapley import Effort
from core.store import Store
from mlops.actions.rows import row_inputs
from mlops.worlds.pinned import chosen_version
from pipelines.config import UseCase, find, load
from serving.models.explainer import Explainer
from serving.models.players import Players
from serving.models.savedmodel import SavedModel

GOAL_MS, GOAL_RESIDUAL, GOAL_SHARE = 25.0, 1e-6, 0.5
_REFERENCE = Effort(pairs=4096, evaluations=1 << 19, seed=99)
"""Near the exact values: what both are compared with."""
_REFERENCE_ROWS = 5


class Timed(NamedTuple):
    """One explained row."""

    seconds: float
    cpu_seconds: float
    """Of this process, which other programs do not slow down."""
    values: NDArray[np.float64]
    """[features], of the explained output."""
    evaluations: int


def main() -> None:
    """Print the measurements, each with its goal."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--usecase", default="flight_delay")
    parser.add_argument("--rows", type=int, default=20)
    asked = parser.parse_args()
    usecase = load(find(asked.usecase))
    model = SavedModel(chosen_version(usecase, Store.of(os.environ), None).path)
    explainer = Explainer(model)
    rows = [row_inputs(usecase, model, _sample(usecase), number) for number in range(1, asked.rows + 1)]
    explainer.explain(rows[0])  # the first call prepares the session
    ours, residual = [], 0.0
    for row in rows:
        began, began_cpu = time.perf_counter(), time.process_time()
        (one,) = explainer.explain(row)
        taken = time.perf_counter() - began, time.process_time() - began_cpu
        ours.append(Timed(*taken, one.every[:, one.output], one.evaluations))
        residual = max(residual, one.residual)
    p50 = 1000 * statistics.median(one.seconds for one in ours)
    evaluations = statistics.mean(one.evaluations for one in ours)
    print(f"{usecase.name}: {len(explainer.features.features)} features, {evaluations:.0f} evaluations a row")
    _goal(f"p50 {p50:.1f} ms a row", p50, GOAL_MS)
    _goal(f"largest residual {residual:.1g}", residual, GOAL_RESIDUAL)
    if find_spec("shap") is None:
        print("shap is not installed, and was not measured (make peers)")
        return
    peer = [_kernel(explainer, row, one.evaluations) for row, one in zip(rows, ours, strict=True)]
    share = sum(one.cpu_seconds for one in ours) / sum(one.cpu_seconds for one in peer)
    print(f"shap's KernelExplainer: {1000 * statistics.median(one.seconds for one in peer):.1f} ms a row")
    _goal(f"{share:.0%} of its CPU time at as many evaluations", share, GOAL_SHARE)
    near = explainer.with_effort(_REFERENCE)
    exact = [one.every[:, one.output] for row in rows[:_REFERENCE_ROWS] for one in near.explain(row)]
    for name, found in (("ours", ours), ("shap's", peer)):
        errors = [np.abs(one.values - truth).mean() for one, truth in zip(found, exact, strict=False)]
        print(f"mean error of a feature, {name}: {np.mean(errors):.5f}")


def _kernel(explainer: Explainer, row: dict[str, Any], evaluations: int) -> Timed:
    """Explain a row with shap; a feature is the number of the row, explained or background, that it comes from."""
    shap = import_module("shap")
    players = Players(explainer.features.features, row, explainer.background)
    count, width = explainer.background_rows, len(players)
    evaluate = _of_sources(explainer, players)
    # Sources as numbers: 0 is the explained row. Equal values are one source, so that shap leaves them out as we do.
    background = np.where(players.same, 0, 1 + np.arange(count)[:, np.newaxis]).astype(float)
    output = int(explainer.predict(row)[0].argmax())
    began, began_cpu = time.perf_counter(), time.process_time()
    kernel = shap.KernelExplainer(lambda sources: evaluate(sources)[:, output], background)
    found = kernel.shap_values(np.zeros((1, width)), nsamples=max(evaluations // count, 2), silent=True, l1_reg=False)
    return Timed(time.perf_counter() - began, time.process_time() - began_cpu, np.asarray(found)[0], evaluations)


def _of_sources(explainer: Explainer, players: Players) -> Callable[[NDArray[np.float64]], NDArray[np.float64]]:
    def scores(sources: NDArray[np.float64]) -> NDArray[np.float64]:
        mask = sources == 0
        # A row of shap's has the values of one background row, and those of the explained one.
        background = np.maximum(sources.max(axis=1).astype(np.intp) - 1, 0)
        parts = []
        for start in range(0, len(mask), 4096):
            part = slice(start, start + 4096)
            parts.append(explainer.predict(players.columns(mask[part], background[part])))
        return np.concatenate(parts)

    return scores


def _sample(usecase: UseCase) -> Path:
    return next(path for path in usecase.folder.glob("sample.*") if path.suffix in {".csv", ".jsonl", ".parquet"})


def _goal(what: str, measured: float, at_most: float) -> None:
    print(f"{what} (goal {at_most:g}: {'reached' if measured <= at_most else 'missed'})")


if __name__ == "__main__":
    main()
